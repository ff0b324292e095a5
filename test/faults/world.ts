// What the tests of faults share: real servers with a remote each for every fault (a breaker that opens in one test
// is no business of another), and a look behind their backs: at the files, the rows and the process itself.

import { readdirSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'vitest'
import type { AppServer, RuntimeName } from '../app-server.ts'
import { eventually, type Suite } from '../contracts/app/suite.ts'
import { type Body, sha256Of } from '../origin.ts'
import type { RawAnswer } from '../raw-http.ts'
import { startServer } from '../servers.ts'

/** For `useWorld`: a server of this runtime. */
export function suiteOf(runtime: RuntimeName): Suite {
  return { runtime, start: options => startServer(runtime, options), skip: {}, titles: new Set() }
}

export function expectWhole(answer: RawAnswer, body: Body): void {
  expect([answer.status, answer.end, answer.body.byteLength]).toEqual([200, 'clean', body.size])
  expect(sha256Of(answer.body)).toBe(body.sha256)
}

/** Right bytes, or an answer that visibly is none. */
export function expectWholeOrFailed(answer: RawAnswer, body: Body): void {
  if (answer.status === 200 && answer.end === 'clean') expectWhole(answer, body)
  else expect(answer.end === 'aborted' || answer.status >= 500, `status ${answer.status}`).toBe(true)
}

/** Names of files that are being written, or were left behind. */
export async function stagedFiles(server: Pick<AppServer, 'dataDir'>): Promise<string[]> {
  return await readdir(join(server.dataDir, 'blobs/staging')).catch(() => [])
}

/** Digests of all blob files, from their names. */
export async function blobFiles(server: Pick<AppServer, 'dataDir'>): Promise<string[]> {
  const names = await readdir(join(server.dataDir, 'blobs/sha256'), { recursive: true }).catch(() => [])
  return names.flatMap(name => (/[0-9a-f]{64}$/.test(name) ? [name.slice(-64)] : [])).sort()
}

export function blobPath({ dataDir }: Pick<AppServer, 'dataDir'>, sha256: string): string {
  return join(dataDir, 'blobs/sha256', sha256.slice(0, 2), sha256)
}

/** Nothing staged any more, and no blob but those of `bodies`. */
export async function expectNothingPartial(server: AppServer, bodies: readonly Body[] = []): Promise<void> {
  await eventually(async () => expect(await stagedFiles(server)).toEqual([]))
  const known = new Set(bodies.map(body => body.sha256))
  expect((await blobFiles(server)).filter(sha256 => !known.has(sha256))).toEqual([])
}

/** Works on the server's catalog beside it, as another process would. */
export function withCatalog<T>(
  { dataDir }: Pick<AppServer, 'dataDir'>,
  work: (database: DatabaseSync) => T,
): T {
  const database = new DatabaseSync(join(dataDir, 'catalog.db'))
  try {
    database.exec('pragma busy_timeout = 5000')
    return work(database)
  } finally {
    database.close()
  }
}

/** Open files and sockets of a process. */
export function descriptorsOf(server: AppServer): number {
  return readdirSync(`/proc/${server.pid()}/fd`).length
}

/** Memory of a process that is in RAM. */
export function residentBytes(server: AppServer): number {
  const [, kilobytes = '0'] =
    /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${server.pid()}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}

/** Numbers from 0 to below 1 that are the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
