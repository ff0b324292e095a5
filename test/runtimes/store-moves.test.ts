// Stores moved between a directory and Postgres with S3, there and back, with the real servers.

import { unlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AppServer } from '../app-server.ts'
import { openS3Store, openTransport } from '../drivers/s3-store.ts'
import { blobPath, expectWhole } from '../faults/world.ts'
import { type Body, type Origin, pattern, startOrigin } from '../origin.ts'
import { rawRequest } from '../raw-http.ts'
import { startServer } from '../servers.ts'
import { hasPostgres, type PostgresService, startPostgres } from '../services/postgres.ts'
import { hasS3, type S3Service, startS3 } from '../services/s3.ts'
import { runCommand, startCommand } from './commands.ts'

/** In memory, by one put, and in parts. */
const SIZES = [0, 5, 300_000, 9_000_000, 21_000_000]

const RUNTIME = 'bun'

describe.skipIf(![hasPostgres(), hasS3()].every(Boolean))('a store moved between machines', () => {
  let origin: Origin
  let postgres: PostgresService
  let s3: S3Service
  let folder: string
  let count = 0
  const servers: AppServer[] = []
  const bodies = new Map<string, Body>()

  beforeAll(async () => {
    ;[origin, postgres, s3] = await Promise.all([startOrigin(), startPostgres(), startS3()])
  })
  afterAll(() => Promise.all([origin?.close(), postgres?.stop(), s3?.stop()]))
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'artifactapi-moves-'))
  })
  afterEach(async () => {
    await Promise.all(servers.splice(0).map(each => each.stop()))
    await rm(folder, { recursive: true, force: true })
    bodies.clear()
  })

  /** A fresh schema and a fresh bucket, as variables and as the name of a store. */
  function cluster(): { env: Record<string, string>; name: string; bucket: string } {
    const [schema, bucket] = [`moved_${++count}`, `moved-${count}`]
    const env = { ...postgres.environment({ DBSCHEMA: schema }), ...s3.environment(bucket) }
    return { env, bucket, name: nameOf(env, schema) }
  }

  function nameOf(env: Readonly<Record<string, string>>, stem: string): string {
    const file = join(folder, `${stem}.env`)
    writeFileSync(
      file,
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    )
    return `env:${file}`
  }

  async function start(env: Readonly<Record<string, string>>, dataDir = join(folder, `data-${++count}`)) {
    const yaml = JSON.stringify({ remotes: { files: { base_url: origin.url }, uploads: { type: 'local' } } })
    const server = await startServer(RUNTIME, { yaml, dataDir, env: { MAINTENANCE_SECONDS: '3600', ...env } })
    servers.push(server)
    return server
  }

  async function bring(server: AppServer, name: string, body: Body): Promise<void> {
    const [repository, path] = name.split('/')
    bodies.set(name, body)
    if (repository === 'files') origin.set(`/${path}`, { body })
    const put = {
      method: 'PUT',
      body: body.slice(),
      headers: { authorization: `Bearer ${server.adminToken}` },
    }
    const more = repository === 'files' ? {} : put
    const answer = await rawRequest({ port: server.port, path: `/api/v1/remote/${name}`, ...more })
    expect(answer.status).toBe(repository === 'files' ? 200 : 201)
  }

  async function fill(server: AppServer): Promise<void> {
    for (const [i, size] of SIZES.entries()) {
      await bring(server, `files/${i}.bin`, pattern(size, i))
      await bring(server, `uploads/${i}.bin`, pattern(size + 3, i + 50))
    }
  }

  /** The server has everything, without asking the origin. */
  async function expectAll(server: AppServer, names: Iterable<string> = bodies.keys()): Promise<void> {
    const before = origin.requests.length
    for (const name of names) {
      const answer = await rawRequest({ port: server.port, path: `/api/v1/remote/${name}` })
      expectWhole(answer, bodies.get(name) as Body)
    }
    expect(origin.requests.length).toBe(before)
  }

  const move = (from: string, to: string) => ['migrate-store', '--from', from, '--to', to]
  const run = (words: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    runCommand(RUNTIME, words, { env })

  it('from a directory to Postgres and S3 and back keeps every byte, while both are in use', async () => {
    const here = await start({})
    await fill(here)
    const { env, name } = cluster()
    const there = await start(env)
    const first = startCommand(RUNTIME, move(`embedded:${here.dataDir}`, name))
    await bring(here, 'uploads/meanwhile.bin', pattern(1000, 90))
    await bring(there, 'uploads/new-there.bin', pattern(1000, 91))
    const moved = await first.result
    expect([moved.code, moved.err]).toEqual([0, ''])
    expect(moved.out).toMatch(/^From SQLite .*\nTo Postgres .*\nMoved 1[01] objects, 1[01] blobs \(61 MB\)/)
    // Whatever of the last write was missed.
    const again = await run(move(`embedded:${here.dataDir}`, name))
    expect([again.code, again.out]).toEqual([0, expect.stringMatching(/Moved [01] objects?, [01] blobs? /)])
    await expectAll(there)
    await bring(there, 'uploads/later.bin', pattern(2_000_000, 92))
    const back = await run(move(name, `embedded:${join(folder, 'back')}`))
    expect([back.code, back.err]).toEqual([0, ''])
    expect(back.out).toMatch(/Moved 13 objects, 13 blobs /)
    await expectAll(await start({}, join(folder, 'back')))
    expect((await run(['verify', '--repair'], env)).out).toMatch(/13 rows and 13 blobs .*: all is sound\n$/)
  }, 120_000)

  it('that is killed on its way to S3 goes on, and leaves nothing wrong', async () => {
    const here = await start({})
    for (let i = 0; i < 120; i++) await bring(here, `uploads/${i}.bin`, pattern(20_000, i))
    const { env, name } = cluster()
    const words = move(`embedded:${here.dataDir}`, name)
    let kills = 0
    for (let waitMs = 250; kills < 3; waitMs += 150) {
      const { child, result } = startCommand(RUNTIME, words)
      await sleep(waitMs)
      child.kill('SIGKILL')
      if ((await result).code === 0) break
      kills++
    }
    expect(kills).toBeGreaterThan(0)
    const half = await run(['verify', '--repair'], env)
    expect([half.code, half.out]).toEqual([0, expect.stringContaining('all is sound')])
    expect((await run(words)).code).toBe(0)
    expect((await run(words)).out).toContain('Moved 0 objects, 0 blobs')
    await expectAll(await start(env))
  }, 120_000)

  it('in a backup goes from Postgres and S3 to another schema and bucket, and to a directory', async () => {
    const [one, other] = [cluster(), cluster()]
    await fill(await start(one.env))
    const file = join(folder, 'backup.tar')
    const made = await run(['backup', file], one.env)
    expect([made.code, made.err]).toEqual([0, ''])
    expect(made.out).toMatch(/^Backed up 10 objects, 10 blobs \(61 MB\), 0 repositories, \d secrets?/)
    const restored = await run(['restore', file], other.env)
    expect([restored.code, restored.err]).toEqual([0, ''])
    await expectAll(await start(other.env))
    expect((await run(['restore', file], { DATA_DIR: join(folder, 'restored') })).code).toBe(0)
    await expectAll(await start({}, join(folder, 'restored')))
  }, 120_000)

  it('lets its rows move alone where the blobs stay', async () => {
    const { env } = cluster()
    const rowsOnly = (all: Record<string, string>) =>
      Object.fromEntries(Object.entries(all).filter(([name]) => name.startsWith('MINIO_')))
    const here = await start(rowsOnly(env))
    await fill(here)
    const from = nameOf({ ...rowsOnly(env), DATA_DIR: here.dataDir }, 'rows')
    const moved = await run(move(from, nameOf(env, 'all')))
    expect([moved.code, moved.err]).toEqual([0, ''])
    expect(moved.out).toContain('Moved 10 objects, 0 blobs (0 B)')
    expect(moved.out).toContain(
      'Both use the same blobs: the source must not run any more once the target does',
    )
    await here.stop()
    servers.splice(servers.indexOf(here), 1)
    await expectAll(await start(env))
  }, 120_000)

  it('is repaired on Postgres and S3 beside a running server', async () => {
    const { env, bucket } = cluster()
    const server = await start({ ...env, BLOB_CACHE_SIZE: '0', HOT_CACHE_MB: '0' })
    await fill(server)
    const store = openS3Store(await openTransport(), { options: s3.options(bucket) })
    const lost = (bodies.get('files/2.bin') as Body).sha256
    const upload = (bodies.get('uploads/3.bin') as Body).sha256
    await store.remove(lost)
    const first = await run(['verify', '--repair'], env)
    expect([first.code, first.out]).toEqual([0, expect.stringContaining('1 fault, all repaired')])
    expect(first.out).toContain(`missing     sha256:${lost}  files/2.bin\n`)
    expectWhole(
      await rawRequest({ port: server.port, path: '/api/v1/remote/files/2.bin' }),
      bodies.get('files/2.bin') as Body,
    )
    await store.remove(upload)
    const second = await run(['verify', '--repair'], env)
    expect([second.code, second.out]).toEqual([
      1,
      expect.stringContaining(`uploads/3.bin  LOST: uploads/3.bin`),
    ])
  }, 120_000)

  it('names what is damaged in the directory, and leaves it behind', async () => {
    const here = await start({})
    await fill(here)
    unlinkSync(blobPath(here, (bodies.get('files/4.bin') as Body).sha256))
    const bad = blobPath(here, (bodies.get('uploads/4.bin') as Body).sha256)
    // Of the right length: known only when all of it was sent.
    writeFileSync(bad, pattern(21_000_003, 99).slice())
    const { env, name } = cluster()
    const moved = await run(move(`embedded:${here.dataDir}`, name))
    expect(moved.code).toBe(1)
    expect(moved.out).toMatch(/damaged {5}sha256:\w{64} {2}uploads\/4\.bin\n/)
    expect(moved.out).toMatch(/missing {5}sha256:\w{64} {2}files\/4\.bin\n/)
    const good = [...bodies.keys()].filter(each => !each.endsWith('/4.bin'))
    await expectAll(await start(env), good)
    expect((await run(['verify', '--repair'], env)).out).toMatch(/8 rows and 8 blobs .*: all is sound\n$/)
  }, 120_000)
})
