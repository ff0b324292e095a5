// deploy/README.md: it speaks of every file, of none that is not there, and its examples are taken by what reads them.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { PROJECT } from '../servers.ts'
import { DEPLOY, listDeploy, readDeploy, readYaml, version } from './files.ts'

const readme = readDeploy('README.md')

describe('deploy/README.md', () => {
  it('has a row for everything in the folder', () => {
    const rows = [...readme.matchAll(/^\| `([^`]+)`/gm)].map(match => match[1] ?? '')
    const own = ['README.md', '.gitignore', 'make-secrets.sh', 'secrets']
    const missing = listDeploy('.').filter(
      name => !own.includes(name) && !rows.some(row => row === name || row.startsWith(`${name}/`)),
    )
    expect(missing).toEqual([])
    for (const row of rows) expect([row, existsSync(join(DEPLOY, row))]).toEqual([row, true])
  })

  it('names only files that are there', () => {
    const paths = [...readme.matchAll(/\bdeploy\/[\w./-]+[\w]/g)].map(match => match[0])
    expect(paths.length).toBeGreaterThan(5)
    expect(paths.filter(path => !existsSync(join(PROJECT, path)))).toEqual([])
  })

  it('speaks of the image of this version', () => {
    const versions = [...readme.matchAll(/artifactapi:(\d[\w.]*)/g)].map(match => match[1])
    expect(new Set(versions)).toEqual(new Set([version]))
  })

  it('shows values that the chart takes', () => {
    const example = /```yaml\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
    const schema = z.fromJSONSchema(JSON.parse(readDeploy('helm/artifactapi/values.schema.json')))
    expect(schema.safeParse(readYaml(example))).toMatchObject({ success: true })
  })
})
