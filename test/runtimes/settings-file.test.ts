// The configuration file while it changes: whatever is written, the last version that was right is served.

import { mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  checkSettingsFile,
  openSettingsFile,
  type SettingsFile,
} from '../../runtimes/shared/settings-file.ts'
import type { Log } from '../../src/ports/log.ts'

const ONE = 'remotes:\n  one: { base_url: "https://one.example.com" }\n'
const TWO = 'remotes:\n  two: { base_url: "https://two.example.com" }\n'
const BROKEN = 'remotes:\n  two: { base_url: 3 }\n'
const CERTIFICATE = '-----BEGIN CERTIFICATE-----\n'

let folder = ''
let path = ''
let opened: SettingsFile[] = []
let logged: string[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'settings-file-'))
  path = join(folder, 'remotes.yaml')
  opened = []
  logged = []
})

afterEach(async () => {
  for (const file of opened) file.close()
  await rm(folder, { recursive: true })
})

describe('a configuration file', () => {
  it('is read at the start', async () => {
    await writeFile(path, ONE)
    const file = await open()
    expect(namesIn(file)).toEqual(['one'])
    expect([file.origin, file.fault()]).toEqual([path, null])
  })

  it('is fatal at the start when it is broken, or absent where somebody named it', async () => {
    await expect(open(false)).rejects.toThrow(`Cannot read ${path}: there is no such file`)
    await writeFile(path, BROKEN)
    await expect(open()).rejects.toThrow(/remotes\.yaml:2:20: remotes\.two\.base_url: expected text/)
  })

  it('is a starter set when it is absent where nobody named it, until it appears', async () => {
    const file = await open()
    expect(file.origin).toBe('starter set')
    expect(namesIn(file)).toEqual(['github', 'hashicorp', 'files'])
    expect(file.current().repositories.get('hashicorp')).toMatchObject({
      source: 'starter',
      caching: {
        staleOn: [
          { from: 429, to: 429 },
          { from: 500, to: 599 },
        ],
      },
    })
    expect(file.current().warnings).toEqual([])
    const heard = nextChange(file)
    await writeFile(path, ONE)
    await heard
    expect([namesIn(file), file.origin]).toEqual([['one'], path])
  })

  it('is read again when it is written', async () => {
    await writeFile(path, ONE)
    const file = await open()
    const heard = nextChange(file)
    await writeFile(path, TWO)
    await heard
    expect(namesIn(file)).toEqual(['two'])
  })

  it('is read again when another file takes its place', async () => {
    await writeFile(path, ONE)
    const file = await open()
    const heard = nextChange(file)
    await writeFile(`${path}.new`, TWO)
    await rename(`${path}.new`, path)
    await heard
    expect(namesIn(file)).toEqual(['two'])
  })

  it('is read again when a link on the way to it is swapped', async () => {
    await writeFile(join(folder, 'one.yaml'), ONE)
    await writeFile(join(folder, 'two.yaml'), TWO)
    await symlink('one.yaml', join(folder, 'data'))
    await symlink('data', path)
    const file = await open()
    const heard = nextChange(file)
    await symlink('two.yaml', join(folder, 'data.new'))
    await rename(join(folder, 'data.new'), join(folder, 'data'))
    await heard
    expect(namesIn(file)).toEqual(['two'])
  })

  it('changes nothing but the fault when it is broken, says so once, and recovers', async () => {
    await writeFile(path, ONE)
    const file = await open()
    await writeFile(path, BROKEN)
    await file.reload()
    await file.reload()
    expect(namesIn(file)).toEqual(['one'])
    expect(file.fault()).toMatch(/remotes\.yaml:2:20: remotes\.two\.base_url/)
    expect(logged.filter(line => line.startsWith('error'))).toHaveLength(1)
    await writeFile(path, TWO)
    await file.reload()
    expect([namesIn(file), file.fault()]).toEqual([['two'], null])
  })

  it('goes on when it becomes empty, as a file does whose writer was cut off', async () => {
    await writeFile(path, ONE)
    const file = await open()
    await writeFile(path, '\n')
    await file.reload()
    expect(namesIn(file)).toEqual(['one'])
    expect(file.fault()).toBe(
      'remotes.yaml:1:1: the file became empty; to serve nothing, write "remotes: {}"',
    )
    await writeFile(path, 'remotes: {}\n')
    await file.reload()
    expect([namesIn(file), file.fault()]).toEqual([[], null])
  })

  it('goes on when it is deleted', async () => {
    await writeFile(path, ONE)
    const file = await open()
    await unlink(path)
    await file.reload()
    expect(namesIn(file)).toEqual(['one'])
    expect(file.fault()).toBe(`Cannot read ${path}: there is no such file`)
  })

  it('tells nobody when nothing changed, and no longer who stopped listening', async () => {
    await writeFile(path, ONE)
    const file = await open()
    let heard = 0
    const stop = file.subscribe(() => heard++)
    await file.reload()
    expect(heard).toBe(0)
    await writeFile(path, TWO)
    await file.reload()
    expect(heard).toBe(1)
    stop()
    await writeFile(path, ONE)
    await file.reload()
    expect(heard).toBe(1)
  })

  it('names certificates relative to itself, and is read again when one of them changes', async () => {
    const text = 'remotes:\n  one: { base_url: "https://one.example.com", ca_file: ca.pem }\n'
    await writeFile(path, text)
    await writeFile(join(folder, 'ca.pem'), CERTIFICATE)
    const file = await open()
    const authority = () => file.current().repositories.get('one')?.origin?.ca
    expect(authority()).toBe(CERTIFICATE)
    const heard = nextChange(file)
    await writeFile(join(folder, 'ca.pem'), `${CERTIFICATE}new`)
    await heard
    expect(authority()).toBe(`${CERTIFICATE}new`)
  })

  it('is checked without being served', async () => {
    const check = (mayBeAbsent: boolean) => checkSettingsFile({ path, mayBeAbsent, formats: ['generic'] })
    expect(await check(true)).toEqual({ isGood: true, lines: ['ok: 3 repositories in starter set'] })
    expect(await check(false)).toEqual({
      isGood: false,
      lines: [`Cannot read ${path}: there is no such file`],
    })
    await writeFile(path, 'remotes:\n  n: { base_url: "https://n.example.com", package: npm }\n')
    expect(await check(false)).toEqual({
      isGood: true,
      lines: [
        expect.stringMatching(/^warning: remotes\.yaml:2:\d+: .*not in this build/),
        `ok: 1 repository in ${path}`,
      ],
    })
    await writeFile(path, BROKEN)
    expect((await check(false)).lines).toEqual([
      'Cannot use remotes.yaml:',
      expect.stringMatching(/^remotes\.yaml:2:20: /),
    ])
  })
})

async function open(mayBeAbsent = true): Promise<SettingsFile> {
  const note = (level: string) => (msg: string) => {
    logged.push(`${level} ${msg}`)
  }
  const log: Log = {
    debug: note('debug'),
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
    line: note('line'),
    flush() {},
  }
  const file = await openSettingsFile({ path, mayBeAbsent, formats: ['generic'], log, pollMs: 20 })
  opened.push(file)
  return file
}

function namesIn(file: SettingsFile): string[] {
  return [...file.current().repositories.keys()]
}

function nextChange(file: SettingsFile): Promise<void> {
  return new Promise(resolve => {
    const stop = file.subscribe(() => {
      stop()
      resolve()
    })
  })
}
