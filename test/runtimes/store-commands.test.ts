// The commands that move, back up, restore and repair all of a store, as processes beside a server that is in use.

import {
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AppServer } from '../app-server.ts'
import { blobPath, expectWhole, withCatalog } from '../faults/world.ts'
import { type Body, type Origin, pattern, sha256Of, startOrigin } from '../origin.ts'
import { type RawAnswer, type RawRequest, rawRequest } from '../raw-http.ts'
import { freePort, startServer } from '../servers.ts'
import { type CommandOptions, runCommand, startCommand } from './commands.ts'

const SIZES = [0, 1, 700, 70_000, 300_000, 1_500_000]

/** What depends on the runtime is tried on each, all else on one. */
const ONE = 'bun'

describe.each(['bun', 'node', 'deno'] as const)('commands on a store (%s)', runtime => {
  let origin: Origin
  let folder: string
  let server: AppServer
  const servers: AppServer[] = []
  const bodies = new Map<string, Body>()

  beforeAll(async () => {
    origin = await startOrigin()
  })
  afterAll(() => origin.close())
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'artifactapi-commands-'))
    server = await start(join(folder, 'data'))
  })
  afterEach(async () => {
    await Promise.all(servers.splice(0).map(each => each.stop()))
    await rm(folder, { recursive: true, force: true })
    bodies.clear()
  })

  async function start(dataDir: string): Promise<AppServer> {
    const yaml = JSON.stringify({ remotes: { files: { base_url: origin.url }, uploads: { type: 'local' } } })
    const started = await startServer(runtime, { yaml, dataDir, env: { MAINTENANCE_SECONDS: '3600' } })
    servers.push(started)
    return started
  }

  function ask(of: AppServer, path: string, more: Partial<RawRequest> = {}): Promise<RawAnswer> {
    const headers = { authorization: `Bearer ${of.adminToken}`, ...more.headers }
    return rawRequest({ port: of.port, path, ...more, headers })
  }

  async function fetchInto(of: AppServer, name: string, body: Body): Promise<void> {
    origin.set(`/${name}`, { body })
    bodies.set(`files/${name}`, body)
    expectWhole(await ask(of, `/api/v1/remote/files/${name}`), body)
  }

  async function uploadTo(of: AppServer, name: string, body: Body): Promise<void> {
    bodies.set(`uploads/${name}`, body)
    const answer = await ask(of, `/api/v1/remote/uploads/${name}`, { method: 'PUT', body: body.slice() })
    expect(answer.status).toBe(201)
  }

  /** Of many sizes, fetched and uploaded, one of each twice, and a repository made through the API. */
  async function fill(): Promise<void> {
    for (const [i, size] of SIZES.entries()) {
      await fetchInto(server, `${i}.bin`, pattern(size, i))
      await uploadTo(server, `${i}.bin`, pattern(size, i + (i % 2) * 100))
    }
    const body = JSON.stringify({
      name: 'made',
      base_url: 'https://made.example',
      password: 's3cret',
      username: 'u',
    })
    const headers = { 'content-type': 'application/json' }
    expect((await ask(server, '/api/v2/remotes', { method: 'POST', body, headers })).status).toBe(201)
    await settled(server)
  }

  /** Rows are written shortly after their answers. */
  async function settled(of: AppServer): Promise<void> {
    await expect.poll(() => rowsOf(of.dataDir)).toEqual([...bodies.keys()].sort())
  }

  function rowsOf(dataDir: string): string[] {
    return withCatalog({ dataDir }, database =>
      database
        .prepare("select repository || '/' || key as name from objects order by repository, key")
        .all()
        .map(row => String(row.name)),
    )
  }

  /** A server there has everything, without asking the origin. */
  async function expectAll(dataDir: string, names: Iterable<string> = bodies.keys()): Promise<AppServer> {
    const other = await start(dataDir)
    const before = origin.requests.length
    for (const name of names)
      expectWhole(await ask(other, `/api/v1/remote/${name}`), bodies.get(name) as Body)
    expect(origin.requests.length).toBe(before)
    return other
  }

  const run = (words: readonly string[], options?: CommandOptions) => runCommand(runtime, words, options)
  const at = (name: string) => join(folder, name)
  const migrate = (to = at('other')) => [
    'migrate-store',
    '--from',
    `embedded:${server.dataDir}`,
    '--to',
    `embedded:${to}`,
  ]

  describe('migrate-store', () => {
    it('moves a store to another directory while its server is in use, and copies nothing twice', async () => {
      await fill()
      const command = startCommand(runtime, migrate())
      // It serves, and takes what is new, meanwhile.
      await fetchInto(server, 'meanwhile.bin', pattern(40_000, 50))
      for (let i = 0; i < 10; i++)
        expectWhole(await ask(server, '/api/v1/remote/files/4.bin'), bodies.get('files/4.bin') as Body)
      const first = await command.result
      expect([first.code, first.err]).toEqual([0, ''])
      expect(first.out).toMatch(
        /^From SQLite .*data\/catalog\.db, files in .*\nTo SQLite .*other\/catalog\.db/,
      )
      expect(first.out).toMatch(
        /Moved 1[23] objects, \d+ blobs \(\d\.\d MB\), 1 repository, 0 secrets\. All else/,
      )
      expect(first.out).toContain('stop the source, and run this again before the target takes over')
      await settled(server)
      const second = await run(migrate())
      expect(second.code).toBe(0)
      expect(second.out).toMatch(/Moved [01] objects?, [01] blobs? \(.*\), 0 repositories, 0 secrets/)
      const third = await run(migrate())
      expect(third.out).toContain('Moved 0 objects, 0 blobs (0 B), 0 repositories, 0 secrets')
      const other = await expectAll(at('other'))
      const made = await ask(other, '/api/v2/remotes/made')
      expect([made.status, made.text]).toEqual([200, expect.stringContaining('https://made.example')])
      expect((await run(['verify', '--repair'], { env: { DATA_DIR: at('other') } })).out).toContain(
        'all is sound',
      )
    })

    it('refuses an S3 that cannot be reached, and waits for a Postgres that is on its way', async () => {
      const port = await freePort()
      writeFileSync(
        at('s3.env'),
        `DATA_DIR=${at('s3')}\nMINIO_ENDPOINT=127.0.0.1:${port}\nMINIO_ACCESS_KEY=a\nMINIO_SECRET_KEY=b\n`,
      )
      const s3 = await run([
        'migrate-store',
        '--from',
        `embedded:${server.dataDir}`,
        '--to',
        `env:${at('s3.env')}`,
      ])
      expect([s3.code, s3.err]).toEqual([1, expect.stringMatching(/artifactapi: Cannot .*127\.0\.0\.1:\d+/)])
      writeFileSync(at('db.env'), `DATA_DIR=${at('db')}\nDBHOST=127.0.0.1\nDBPORT=${port}\n`)
      const words = ['migrate-store', '--from', `embedded:${server.dataDir}`, '--to', `env:${at('db.env')}`]
      const { child, result, err } = startCommand(runtime, words)
      await expect.poll(err, { timeout: 5000 }).toContain(`Waiting for Postgres 127.0.0.1:${port}/artifacts`)
      await sleep(1500)
      expect(child.exitCode).toBeNull()
      child.kill('SIGKILL')
      await result
    })

    if (runtime !== ONE) return

    it('that is killed leaves nothing wrong, and goes on', async () => {
      for (let i = 0; i < 250; i++) await uploadTo(server, `${i}.bin`, pattern(2000, i))
      await settled(server)
      let kills = 0
      for (let waitMs = 150; kills < 4; waitMs += 60) {
        const { child, result } = startCommand(runtime, migrate())
        // From when there is a catalog to write to.
        await expect
          .poll(() => existsSync(join(at('other'), 'catalog.db')) || child.exitCode !== null)
          .toBe(true)
        await sleep(waitMs)
        child.kill('SIGKILL')
        const { code } = await result
        if (code === 0) break
        kills++
        const { out, code: verdict } = await run(['verify', '--repair'], { env: { DATA_DIR: at('other') } })
        expect([verdict, out]).toEqual([0, expect.stringContaining('all is sound')])
      }
      expect(kills).toBeGreaterThan(0)
      expect((await run(migrate())).code).toBe(0)
      expect(rowsOf(at('other'))).toEqual(rowsOf(server.dataDir))
      await expectAll(at('other'))
    }, 60_000)

    it('names what is damaged, moves the rest, and exits with 1', async () => {
      await fill()
      const { sha256 } = bodies.get('uploads/5.bin') as Body
      flipByte(blobPath(server, sha256), 100)
      unlinkSync(blobPath(server, (bodies.get('files/3.bin') as Body).sha256))
      const { code, out } = await run(migrate())
      expect(code).toBe(1)
      expect(out).toContain(`damaged     sha256:${sha256}  uploads/5.bin\n`)
      expect(out).toMatch(/missing {5}sha256:\w{64} {2}files\/3\.bin\n/)
      expect(out).toContain('2 objects have no good bytes, and are not in the target: see above')
      const good = [...bodies.keys()].filter(name => !['uploads/5.bin', 'files/3.bin'].includes(name))
      expect(rowsOf(at('other'))).toEqual(good.sort())
      await expectAll(at('other'), good)
    })

    it('says what cannot be', async () => {
      const none = await run([
        'migrate-store',
        '--from',
        `embedded:${at('none')}`,
        '--to',
        `embedded:${at('other')}`,
      ])
      expect([none.code, none.err]).toEqual([
        1,
        `artifactapi: Cannot read DATA_DIR ${at('none')}: there is no such directory\n`,
      ])
      expect(existsSync(at('other'))).toBe(false)
      const empty = await run([
        'migrate-store',
        '--from',
        `embedded:${folder}`,
        '--to',
        `embedded:${at('other')}`,
      ])
      expect([empty.code, empty.err]).toEqual([1, expect.stringContaining('there is no catalog.db in it')])
      const same = await run(migrate(`${server.dataDir}/../data/`))
      expect([same.code, same.err]).toEqual([1, expect.stringContaining('they are the same store')])
      const env = await run(['migrate-store', '--from', 'env', '--to', `env:${at('missing.env')}`])
      expect([env.code, env.err]).toEqual([1, expect.stringContaining(`Cannot read ${at('missing.env')}: `)])
      const mistake = await run(['migrate-store', '--from', 'env'])
      expect([mistake.code, mistake.err]).toEqual([
        2,
        expect.stringContaining('needs --from STORE and --to STORE'),
      ])
    })
  })

  describe('backup and restore', () => {
    const backup = (words: readonly string[]) =>
      run(['backup', ...words], { env: { DATA_DIR: server.dataDir } })
    const restore = (words: readonly string[], input?: Uint8Array, to = at('other')) =>
      run(['restore', ...words], { env: { DATA_DIR: to }, input })

    it('go through a file that only its owner reads', async () => {
      await fill()
      const made = await backup([at('b.tar')])
      expect([made.code, made.err]).toEqual([0, ''])
      expect(made.out).toMatch(
        /^Backed up 12 objects, \d blobs \(\d\.\d MB\), 1 repository, 0 secrets\. It may hold secrets/,
      )
      expect(statSync(at('b.tar')).mode & 0o777).toBe(0o600)
      expect(existsSync(at('b.tar.part'))).toBe(false)
      const restored = await restore([at('b.tar')])
      expect([restored.code, restored.err]).toEqual([0, ''])
      expect(restored.out).toMatch(
        /^Restored 12 objects, \d blobs \(\d\.\d MB\), 1 repository, 0 secrets, as of 20/,
      )
      await expectAll(at('other'))
      const again = await restore([at('b.tar')])
      expect([again.code, again.err]).toEqual([
        1,
        expect.stringContaining('the store is not empty. With --force'),
      ])
      expect((await restore(['--force', at('b.tar')])).code).toBe(0)
    })

    it('go through pipes', async () => {
      await fill()
      const made = await backup(['-'])
      expect([made.code, made.err]).toEqual([0, expect.stringContaining('Backed up 12 objects')])
      const restored = await restore(['-'], made.stdout)
      expect([restored.code, restored.err]).toEqual([0, ''])
      await expectAll(at('other'))
    })

    if (runtime !== ONE) return

    it('without the cache bring uploads back, and what is cached is fetched again', async () => {
      await fill()
      expect((await backup(['--without-cache', at('b.tar')])).out).toContain('Backed up 6 objects')
      expect((await restore([at('b.tar')])).code).toBe(0)
      const other = await expectAll(
        at('other'),
        [...bodies.keys()].filter(name => name.startsWith('uploads/')),
      )
      expectWhole(await ask(other, '/api/v1/remote/files/3.bin'), bodies.get('files/3.bin') as Body)
    })

    it('of a file that was cut change nothing', async () => {
      await fill()
      await backup([at('b.tar')])
      truncateSync(at('b.tar'), statSync(at('b.tar')).size - 700)
      const { code, err } = await restore([at('b.tar')])
      expect([code, err]).toEqual([
        1,
        `artifactapi: Cannot restore ${at('b.tar')}: its end is missing, so it was cut, or is no backup. Nothing was changed\n`,
      ])
      expect(existsSync(at('other'))).toBe(false)
    })

    it('of a pipe that ends early keep what was whole, say so, and go on with the whole one', async () => {
      await fill()
      const { stdout } = await backup(['-'])
      const cut = await restore(['-'], stdout.subarray(0, stdout.length * 0.7))
      expect(cut.code).toBe(1)
      expect(cut.err).toMatch(/^artifactapi: Cannot (read archive: it ends|restore: the backup ends)/)
      expect(cut.out).toContain(
        'What came whole until then is restored, and stays. Run this again: it goes on',
      )
      const verified = await run(['verify', '--repair'], { env: { DATA_DIR: at('other') } })
      expect([verified.code, verified.out]).toEqual([0, expect.stringContaining('all is sound')])
      expect((await restore(['-'], stdout)).code).toBe(0)
      await expectAll(at('other'))
    })

    it('say what cannot be', async () => {
      const none = await restore([at('none.tar')])
      expect([none.code, none.err]).toEqual([
        1,
        `artifactapi: Cannot restore ${at('none.tar')}: there is no such file\n`,
      ])
      const nowhere = await backup([at('no/such/b.tar')])
      expect([nowhere.code, nowhere.err]).toEqual([
        1,
        expect.stringContaining(`Cannot write ${at('no/such/b.tar')}.part: `),
      ])
      const other = await restore(['-'], Buffer.from('no backup'.repeat(1000)))
      expect([other.code, other.err]).toEqual([1, expect.stringContaining('Cannot read archive')])
    })

    it('name what is damaged, and exit with 1', async () => {
      await fill()
      const { sha256 } = bodies.get('uploads/5.bin') as Body
      flipByte(blobPath(server, sha256), 100)
      const made = await backup([at('b.tar')])
      expect([made.code, made.out]).toEqual([
        1,
        expect.stringContaining(`damaged     sha256:${sha256}  uploads/5.bin`),
      ])
      expect((await restore([at('b.tar')])).code).toBe(0)
      await expectAll(
        at('other'),
        [...bodies.keys()].filter(name => name !== 'uploads/5.bin'),
      )
    })
  })

  describe('verify --repair', () => {
    const repair = () =>
      run(['verify', '--repair'], { env: { DATA_DIR: server.dataDir, CONFIG_PATH: server.configPath } })

    it('sets right what can be beside a running server, and exits with 0', async () => {
      await fill()
      const [flipped, lost] = [bodies.get('files/5.bin') as Body, bodies.get('files/3.bin') as Body]
      flipByte(blobPath(server, flipped.sha256), 1000)
      unlinkSync(blobPath(server, lost.sha256))
      withCatalog(server, database =>
        database.exec("update usage set bytes = 5 where repository = 'uploads'"),
      )
      const { code, out } = await repair()
      expect(code, out).toBe(0)
      expect(out).toContain(`damaged     sha256:${flipped.sha256}  files/5.bin\n`)
      expect(out).toContain(`missing     sha256:${lost.sha256}  files/3.bin\n`)
      expect(out).toMatch(/figures {5}uploads: 0 objects and -\d+ bytes too many\n/)
      expect(out).toMatch(/12 rows and \d+ blobs \(.*\) checked: 3 faults, all repaired\n$/)
      expect((await repair()).out).toMatch(/10 rows and .* checked: all is sound\n$/)
      for (const name of ['3.bin', '5.bin'])
        expectWhole(await ask(server, `/api/v1/remote/files/${name}`), bodies.get(`files/${name}`) as Body)
    })

    if (runtime !== ONE) return

    it('exits with 1 when an upload is lost for good', async () => {
      await fill()
      const { sha256 } = bodies.get('uploads/3.bin') as Body
      unlinkSync(blobPath(server, sha256))
      const { code, out, err } = await repair()
      expect([code, err]).toEqual([1, expect.stringContaining('upload again uploads/3.bin')])
      expect(out).toContain(`missing     sha256:${sha256}  uploads/3.bin  LOST: uploads/3.bin\n`)
      expect(out).toContain('1 fault; 1 upload lost: upload again, or restore a backup; 0 blobs unreadable\n')
      expect((await ask(server, '/api/v1/remote/uploads/3.bin')).status).toBe(500)
    })

    it('leaves alone what the catalog does not know', async () => {
      await fill()
      const sha256 = sha256Of('of another program')
      const path = blobPath(server, sha256)
      mkdirSync(join(path, '..'), { recursive: true })
      writeFileSync(path, 'of another program')
      const { code, out } = await repair()
      expect([code, out]).toEqual([0, expect.stringContaining(`unknown     sha256:${sha256}  18 bytes\n`)])
      expect(out).toContain('1 blob (18 B) in the store that the catalog does not know: they stay')
      expect(readFileSync(path, 'utf8')).toBe('of another program')
    })
  })
})

function flipByte(path: string, position: number): void {
  const bytes = readFileSync(path)
  bytes[position] = (bytes[position] ?? 0) ^ 1
  writeFileSync(path, bytes)
}
