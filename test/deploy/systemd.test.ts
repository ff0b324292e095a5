// The unit of systemd: what it says of the program holds, systemd finds nothing to complain of, and its exposure does
// not grow unnoticed.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answers, readDeploy, run } from './files.ts'
import { unknownVariables } from './kubernetes-links.ts'

const unit = readDeploy('systemd/artifactapi.service')

function valuesOf(key: string): string[] {
  return unit
    .split('\n')
    .filter(line => line.startsWith(`${key}=`))
    .map(line => line.slice(key.length + 1))
}

describe('deploy/systemd', () => {
  it('sets only variables that the program reads', () => {
    const names = [...unit.matchAll(/Environment=(\w+)=/g)].map(match => match[1] ?? '')
    expect(names).toEqual(['DATA_DIR', 'DBPASS_FILE'])
    expect(unknownVariables(names)).toEqual([])
  })

  it('keeps the data where the service may write, and nowhere else', () => {
    expect(valuesOf('Environment')).toEqual(['DATA_DIR=%S/artifactapi'])
    expect(valuesOf('StateDirectory')).toEqual(['artifactapi'])
    expect(valuesOf('ProtectSystem')).toEqual(['strict'])
    expect(valuesOf('ReadWritePaths')).toEqual([])
  })

  it('reads the configuration again on reload, and leaves 30 s and more to running answers', () => {
    expect(valuesOf('ExecReload')).toEqual(['/bin/kill -HUP $MAINPID'])
    expect(Number(valuesOf('TimeoutStopSec')[0])).toBeGreaterThan(35)
  })

  it('leaves the compiler of JavaScript its memory', () => {
    expect(valuesOf('MemoryDenyWriteExecute')).toEqual([])
  })
})

describe.skipIf(!answers('systemd-analyze', '--version'))('systemd-analyze (needs systemd)', () => {
  let folder: string
  let file: string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'artifactapi-unit-'))
    file = join(folder, 'artifactapi.service')
    // A program that is there: the binary may not be installed.
    writeFileSync(file, unit.replace('ExecStart=/usr/local/bin/artifactapi', 'ExecStart=/bin/true'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('verifies it without a complaint', () => {
    expect(run('systemd-analyze', ['verify', file])).toEqual({ status: 0, out: '', error: '' })
  })

  it('would complain of a directive that there is not', () => {
    const wrong = join(folder, 'wrong.service')
    writeFileSync(wrong, unit.replace('ProtectHome=', 'ProtectHomes='))
    expect(run('systemd-analyze', ['verify', wrong]).error).toContain('ProtectHomes')
  })

  it('sees an exposure of 1.5 of 10 at most', () => {
    const { status, out } = run('systemd-analyze', [
      'security',
      '--offline=true',
      '--threshold=15',
      '--no-pager',
      file,
    ])
    expect(out).toContain('Overall exposure level')
    expect(status).toBe(0)
  })
})
