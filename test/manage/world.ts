// What the tests of the operators' verbs share: the real engine over memory and SQLite, a clock that the test
// moves, and an origin that is a table.

import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { createSqliteDatabase } from '../../runtimes/shared/sqlite-database.ts'
import { migrate } from '../../src/catalog/catalog.ts'
import { createMemoryBlobs } from '../../src/drivers/memory-blobs.ts'
import { createMemoryFlights } from '../../src/drivers/memory-flights.ts'
import { createMemoryKeyValue } from '../../src/drivers/memory-key-value.ts'
import { createMemoryLease } from '../../src/drivers/memory-lease.ts'
import { createMemoryMeter } from '../../src/drivers/memory-meter.ts'
import { streamBytes } from '../../src/drivers/stream-bytes.ts'
import { createTaskBackground } from '../../src/drivers/task-background.ts'
import { formats } from '../../src/formats/index.ts'
import { parsePath } from '../../src/model/path.ts'
import { Problem } from '../../src/model/problem.ts'
import { toSettings } from '../../src/model/settings.ts'
import type { UpstreamRequest, UpstreamResponse } from '../../src/ports/upstream.ts'
import { createRepositories, type Repositories } from '../../src/repositories/repositories.ts'
import { isChange } from '../../src/repositories/repository.ts'
import type { Services } from '../../src/services.ts'
import { FakeClock } from '../fake-clock.ts'
import { listLog } from '../list-log.ts'

export const ADMIN_TOKEN = 'test-admin-token'
export const ORIGIN = 'https://origin.example'
const encoder = new TextEncoder()

export interface OriginAnswer {
  readonly status?: number
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface World {
  readonly repositories: Repositories
  readonly services: Services
  readonly clock: FakeClock
  /** By path; what is not here is 404. An Error is thrown. */
  readonly origin: Map<string, OriginAnswer | Error>
  /** `GET /path` of every request that reached the origin. */
  readonly asked: string[]
  /** Level and text of everything logged. */
  readonly logged: string[]
  /** Fetches a path into the cache, and leaves time for the books. */
  keep(repository: string, path: string, body?: string): Promise<void>
  upload(repository: string, path: string, body: string): Promise<void>
  /** Keys that a repository holds. */
  keys(repository: string): Promise<string[]>
}

export interface WorldOptions {
  readonly remotes?: Readonly<Record<string, unknown>>
  readonly virtuals?: Readonly<Record<string, unknown>>
  readonly options?: Partial<Services['options']>
  readonly services?: Partial<Services>
}

export async function createWorld(given: WorldOptions = {}): Promise<World> {
  const clock = new FakeClock()
  const origin = new Map<string, OriginAnswer | Error>()
  const asked: string[] = []
  const logged: string[] = []
  const services = { ...defaultServices(clock, { origin, asked, logged }, given), ...given.services }
  await migrate(services.database)
  const repositories = createRepositories(services, formats)
  await repositories.directory.ready()

  async function keep(name: string, path: string, body = path): Promise<void> {
    origin.set(`/${path}`, { body })
    const repository = repositories.open(name)
    const target = repository.format.parse({ method: 'GET', path: parsePath(path), query: '' })
    if (target === null || isChange(target)) throw new Error('no target')
    const outcome = await repository.read(target, false)
    if (outcome.kind === 'flying') await outcome.flight.done
    else if (outcome.kind === 'refused') throw outcome.problem
  }

  async function upload(name: string, path: string, body: string): Promise<void> {
    const repository = repositories.open(name)
    const change = repository.format.parse({ method: 'PUT', path: parsePath(path), query: '' })
    if (change?.kind !== 'put') throw new Error('no change')
    await repository.put?.(change, { body: streamBytes(encoder.encode(body)), headers: new Headers() })
  }

  return {
    repositories,
    services,
    clock,
    origin,
    asked,
    logged,
    keep,
    upload,
    async keys(name) {
      return (await repositories.catalog.list(name, { limit: 1000 })).map(row => row.key)
    },
  }
}

type Seen = Pick<World, 'origin' | 'asked' | 'logged'>

function defaultServices(clock: FakeClock, seen: Seen, given: WorldOptions): Services {
  const log = listLog(seen.logged)
  const remotes = given.remotes ?? { files: {}, more: {}, store: { type: 'local' } }
  const entries = Object.entries(remotes).map(([name, entry]) => {
    const isLocal = (entry as { type?: string }).type === 'local'
    return [name, isLocal ? entry : { base_url: ORIGIN, ...(entry as object) }]
  })
  const value = { remotes: Object.fromEntries(entries), virtuals: given.virtuals ?? {} }
  const { settings, faults } = toSettings(value, { source: 'file' })
  if (settings === null) throw new Error(JSON.stringify(faults))
  return {
    runtime: 'node',
    version: '0.0.0-test',
    options: {
      publicUrl: null,
      adminToken: ADMIN_TOKEN,
      anonymousRead: true,
      missWaitMs: 0,
      hotCacheBytes: 0,
      cacheMaxBytes: null,
      scrubBytesPerSecond: 0,
      collectGraceSeconds: 3600,
      maintenanceMs: 60_000,
      ...given.options,
    },
    settings: {
      current: () => settings,
      origin: 'remotes.yaml',
      fault: () => null,
      subscribe: () => () => {},
      reload: async () => {},
    },
    blobs: createMemoryBlobs({ hasher: nodeHasher, clock }),
    database: createSqliteDatabase({ path: ':memory:' }),
    keyValue: createMemoryKeyValue(clock),
    lease: createMemoryLease(clock),
    broadcast: null,
    eventBroadcast: null,
    peers: null,
    upstream: { send: async request => answerOf(request, seen) },
    hasher: nodeHasher,
    delivery: {
      streamsKeepLength: true,
      blob: (blob, range) => blob.stream(range ?? undefined),
      stream: stream => stream,
      reusable: () => null,
    },
    clock,
    background: createTaskBackground(log),
    log,
    meter: createMemoryMeter(),
    flights: createMemoryFlights,
    parts: [{ name: 'catalog', product: 'SQLite in memory', isNeeded: true, check: async () => {} }],
  }
}

function answerOf({ url, method }: UpstreamRequest, { origin, asked }: Seen): UpstreamResponse {
  const { pathname, search } = new URL(url)
  asked.push(`${method} ${pathname}${search}`)
  const answer = origin.get(`${pathname}${search}`) ?? { status: 404 }
  if (answer instanceof Error) throw answer
  const { status = 200, body = '', headers = {} } = answer
  const bytes = encoder.encode(body)
  return {
    status,
    headers: new Headers({ 'content-length': String(bytes.byteLength), ...headers }),
    url,
    body: method === 'HEAD' ? null : streamBytes(bytes),
  }
}

/** The problem that `work` ends in. */
export async function problemOf(work: Promise<unknown>): Promise<Problem> {
  const failure = await work.then(
    () => null,
    error => error as unknown,
  )
  if (failure instanceof Problem) return failure
  throw new Error(`expected a Problem, got ${String(failure)}`)
}
