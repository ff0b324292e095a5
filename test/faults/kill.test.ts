// `kill -9` at random moments under load, again and again on the same data: whatever was promised is there and right,
// and nothing half is left.

import { describe, expect, it } from 'vitest'
import type { AppServer } from '../app-server.ts'
import { eventually } from '../contracts/app/suite.ts'
import { type Body, pattern, sha256Of, startOrigin } from '../origin.ts'
import { rawRequest } from '../raw-http.ts'
import { startServer } from '../servers.ts'
import { blobFiles, randomOf, stagedFiles, withCatalog } from './world.ts'

/** Node writes files by the same code; a few kills show that it does so with the same care. */
const KILLS = { bun: 20, node: 5 }
const CLIENTS = 6
const SEED = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000)

/** What `files` serves: sizes on both sides of every threshold. */
const FILES: readonly Body[] = Array.from({ length: 40 }, (_, i) =>
  pattern([3_000, 70_000, 400_000, 2_500_000][i % 4] ?? 1, 500 + i),
)

describe(`kill -9 at any moment (seed ${SEED})`, () => {
  for (const runtime of ['bun', 'node'] as const) {
    it.concurrent(`${runtime}: ${KILLS[runtime]} kills under load lose nothing and leave nothing half`, async () => {
      console.log(`kill -9 on ${runtime}: KILL_SEED=${SEED}`)
      const random = randomOf(SEED)
      const origin = await startOrigin()
      const yaml = JSON.stringify({
        remotes: {
          files: { type: 'remote', base_url: origin.url },
          live: { type: 'remote', base_url: origin.url, mutable_patterns: ['.*'], mutable_ttl: 1 },
          uploads: { type: 'local' },
        },
      })
      FILES.forEach((body, i) => {
        origin.set(`/file-${i}.bin`, { body, etag: `"f${i}"`, rate: 20_000_000 })
      })
      const versions = [pattern(90_000, 601), pattern(500_000, 602)]
      const server = await startServer(runtime, { yaml, env: { MISS_WAIT_MS: '50' } })
      const load = createLoad(server, random)
      try {
        for (let round = 0; round < KILLS[runtime]; round++) {
          // What is live changes in every round, and is asked about again in each.
          const body = versions[round % 2]
          for (const name of ['a', 'b', 'c']) origin.set(`/live-${name}`, { body, etag: `"l${round % 2}"` })
          const clients = Array.from({ length: CLIENTS }, () => load.run())
          await new Promise(resolve => setTimeout(resolve, 30 + random() * 350))
          await server.kill9()
          load.rest()
          await Promise.all(clients)
          await server.restart()
        }
        expect(load.uploaded.size, 'uploads that were answered').toBeGreaterThan(KILLS[runtime] / 3)
        expect(load.wrong).toEqual([])
        // What is kept has to do: what expired would be fetched anew.
        await origin.down()
        await expectSound(server, load.uploaded, versions)
      } finally {
        await server.stop()
        await origin.close()
      }
    }, 60_000)
  }
})

/** Clients that download, ask again and upload at random until told to rest. */
function createLoad(server: AppServer, random: () => number) {
  /** Answered with 201: path → digest. */
  const uploaded = new Map<string, string>()
  const wrong: string[] = []
  let isResting = false
  let count = 0

  async function run(): Promise<void> {
    isResting = false
    while (!isResting) await act().catch(() => {}) // the server is killed under them: that is the point
  }

  async function act(): Promise<void> {
    const choice = random()
    if (choice < 0.3) return await upload()
    if (choice < 0.5) return await get(`live/live-${'abc'[Math.floor(random() * 3)]}`)
    const index = Math.floor(random() * FILES.length)
    await get(`files/file-${index}.bin`, FILES[index])
  }

  async function get(path: string, body?: Body): Promise<void> {
    const { status, end, body: bytes } = await ask('GET', path)
    const isWrong = status === 200 && end === 'clean' && body !== undefined && sha256Of(bytes) !== body.sha256
    if (isWrong) wrong.push(path)
  }

  async function upload(): Promise<void> {
    const path = `uploads/up-${count++}.bin`
    const body = pattern(1_000 + Math.floor(random() * 300_000), count)
    const { status, end } = await ask('PUT', path, body.slice())
    if (status === 201 && end === 'clean') uploaded.set(path, body.sha256)
  }

  async function ask(method: string, path: string, body?: Uint8Array) {
    const headers = { authorization: `Bearer ${server.adminToken}` }
    return await rawRequest({ port: server.port, method, path: `/api/v1/remote/${path}`, headers, body })
  }

  return {
    uploaded,
    wrong,
    run,
    rest() {
      isResting = true
    },
  }
}

async function expectSound(
  server: AppServer,
  uploaded: ReadonlyMap<string, string>,
  versions: readonly Body[],
): Promise<void> {
  const { rows, blobs, integrity } = withCatalog(server, database => ({
    rows: database.prepare('select repository, path, sha256 from objects').all(),
    blobs: new Set(
      database
        .prepare('select sha256 from blobs')
        .all()
        .map(row => row.sha256),
    ),
    integrity: database.prepare('pragma integrity_check').all(),
  }))
  expect(integrity).toEqual([{ integrity_check: 'ok' }])
  await eventually(async () => expect(await stagedFiles(server)).toEqual([]))
  expect(
    (await blobFiles(server)).filter(sha256 => !blobs.has(sha256)),
    'blobs in no book',
  ).toEqual([])
  expect(rows.filter(row => row.repository !== 'uploads').length).toBeGreaterThan(5)

  const known = new Set([...FILES, ...versions].map(body => body.sha256))
  for (const { repository, path, sha256 } of rows) {
    const name = `${repository}/${path}`
    const answer = await rawRequest({ port: server.port, path: `/api/v1/remote/${name}` })
    expect([name, answer.status, answer.end]).toEqual([name, 200, 'clean'])
    const served = sha256Of(answer.body)
    expect([name, answer.headers.get('etag')]).toEqual([name, `"${served}"`])
    if (repository === 'uploads') expect([name, served]).toEqual([name, sha256])
    else expect([name, known.has(served)]).toEqual([name, true])
  }
  for (const [path, sha256] of uploaded) {
    const answer = await rawRequest({ port: server.port, path: `/api/v1/remote/${path}` })
    expect([path, answer.status, sha256Of(answer.body)]).toEqual([path, 200, sha256])
  }
}
