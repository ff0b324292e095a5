// The README is held to what the program does: its example loads, and its table is the program's own list.

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { environmentVariables } from '../runtimes/shared/environment-table.ts'
import { parseSettings } from '../src/drivers/yaml-settings.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

describe('README', () => {
  it('shows a remotes.yaml that loads as it stands', () => {
    const example = /```yaml\n([\s\S]*?)```/.exec(readme)?.[1]
    const settings = parseSettings(example!, {
      fileName: 'README.md',
      source: 'file',
      readFile: () => 'secret',
    })
    expect([...settings.repositories.keys()]).toEqual(['github', 'mirror', 'releases', 'files'])
    expect(settings.warnings).toEqual([])
  })

  it('lists every environment variable of this build with its default', () => {
    for (const { name, default: fallback, meaning } of environmentVariables) {
      const row = readme.split('\n').find(line => line.startsWith(`| \`${name}\``))
      expect(row, name).toContain(fallback === '' ? '|  |' : `\`${fallback}\``)
      expect(row, name).toContain(meaning)
    }
  })
})
