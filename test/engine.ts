// The application in this process over drivers of memory, with a clock that the test moves and an origin that it
// scripts: whatever the rooms do together can be seen without a network and without waiting.

import { setImmediate as turn } from 'node:timers/promises'
import { nodeHasher } from '../runtimes/shared/node-hasher.ts'
import { createSqliteDatabase } from '../runtimes/shared/sqlite-database.ts'
import { createStreamDelivery } from '../runtimes/shared/stream-delivery.ts'
import { type App, createApp } from '../src/app.ts'
import { createMemoryBlobs } from '../src/drivers/memory-blobs.ts'
import { createMemoryFlights } from '../src/drivers/memory-flights.ts'
import { createMemoryKeyValue } from '../src/drivers/memory-key-value.ts'
import { createMemoryLease } from '../src/drivers/memory-lease.ts'
import { createMemoryMeter } from '../src/drivers/memory-meter.ts'
import { createTaskBackground } from '../src/drivers/task-background.ts'
import type { Format } from '../src/formats/format.ts'
import { formats as allFormats } from '../src/formats/index.ts'
import type { Settings } from '../src/model/repository.ts'
import { toSettings } from '../src/model/settings.ts'
import type { SettingsSource } from '../src/ports/settings-source.ts'
import type { Upstream } from '../src/ports/upstream.ts'
import type { Services } from '../src/services.ts'
import { FakeClock } from './fake-clock.ts'
import { listLog } from './list-log.ts'
import { createScriptedOrigin, type ScriptedOrigin } from './scripted-origin.ts'

export const ADMIN_TOKEN = 'test-admin-token'
export const ADMIN = { authorization: `Bearer ${ADMIN_TOKEN}` }
export const ORIGIN = 'https://origin.example/pub'

/** `{ remotes, virtuals }` as in the configuration file; remotes without `base_url` have `ORIGIN`. */
export interface Entries {
  readonly remotes?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly virtuals?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

export interface EngineOptions {
  readonly settings?: Entries
  /** Instead of the scripted origin. */
  readonly upstream?: Upstream
  readonly clock?: FakeClock
  readonly options?: Partial<Services['options']>
  readonly services?: Partial<Services>
  readonly formats?: readonly Format[]
  readonly hotPath?: boolean
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: string
  readonly bytes: Uint8Array
}

export interface Engine {
  readonly app: App
  readonly services: Services
  readonly clock: FakeClock
  readonly origin: ScriptedOrigin
  /** Level and text of everything logged. */
  readonly logged: string[]
  /** The answer whose body is still to be read; `path` with its leading slash. */
  open(path: string, init?: RequestInit): Promise<Response>
  /** True when the answer was there without waiting. */
  answersAtOnce(path: string, init?: RequestInit): boolean
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>
  head(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>
  put(path: string, body: string, headers?: Readonly<Record<string, string>>): Promise<Answer>
  /** Replaces the configuration file. */
  configure(settings: Entries): void
}

export async function createEngine(given: EngineOptions = {}): Promise<Engine> {
  const { clock = new FakeClock(), formats = allFormats, hotPath = true } = given
  const origin = createScriptedOrigin(ORIGIN)
  const logged: string[] = []
  const source = createSettingsSource(given.settings ?? { remotes: { r: {} } }, formats)
  const log = listLog(logged)
  const services: Services = {
    runtime: 'node',
    version: '0.0.0-test',
    options: {
      publicUrl: null,
      adminToken: ADMIN_TOKEN,
      anonymousRead: true,
      missWaitMs: 0,
      hotCacheBytes: 1_000_000,
      cacheMaxBytes: null,
      scrubBytesPerSecond: 0,
      collectGraceSeconds: 300,
      maintenanceMs: 60_000,
      ...given.options,
    },
    settings: source,
    blobs: createMemoryBlobs({ hasher: nodeHasher, clock }),
    database: createSqliteDatabase({ path: ':memory:' }),
    keyValue: createMemoryKeyValue(clock),
    lease: createMemoryLease(clock),
    broadcast: null,
    eventBroadcast: null,
    peers: null,
    upstream: given.upstream ?? origin,
    hasher: nodeHasher,
    delivery: createStreamDelivery(),
    clock,
    background: createTaskBackground(log),
    log,
    meter: createMemoryMeter(),
    flights: createMemoryFlights,
    parts: [],
    ...given.services,
  }
  const app = createApp(services, { formats, hotPath })
  await app.start()

  const request = (path: string, init?: RequestInit) => new Request(`http://cache.example${path}`, init)
  const open = async (path: string, init?: RequestInit) => app.fetch(request(path, init))
  return {
    app,
    services,
    clock,
    origin,
    logged,
    open,
    answersAtOnce(path, init) {
      const answer = app.fetch(request(path, init))
      if (answer instanceof Response) return true
      // Not of interest, but nobody else will read it.
      void answer.then(response => response.body?.cancel())
      return false
    },
    get: async (path, headers) => readAnswer(await open(path, { headers })),
    head: async (path, headers) => readAnswer(await open(path, { method: 'HEAD', headers })),
    put: async (path, body, headers) =>
      readAnswer(await open(path, { method: 'PUT', body, headers: { ...ADMIN, ...headers } })),
    configure: settings => source.replace(settings),
  }
}

export async function readAnswer(response: Response): Promise<Answer> {
  const bytes = new Uint8Array(await response.arrayBuffer())
  const { status, headers } = response
  return { status, headers, bytes, body: new TextDecoder().decode(bytes) }
}

/** Lets everything run that is ready to. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn()
}

function createSettingsSource(
  entries: Entries,
  formats: readonly Format[],
): SettingsSource & { replace(entries: Entries): void } {
  const listeners = new Set<() => void>()
  let current = readSettings(entries, formats)
  return {
    current: () => current,
    origin: 'remotes.yaml',
    fault: () => null,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async reload() {},
    replace(next) {
      current = readSettings(next, formats)
      for (const listener of listeners) listener()
    },
  }
}

function readSettings({ remotes = {}, virtuals = {} }: Entries, formats: readonly Format[]): Settings {
  const filled = Object.entries(remotes).map(([name, entry]) => [
    name,
    entry.type === 'local' ? entry : { base_url: ORIGIN, ...entry },
  ])
  const { settings, faults } = toSettings(
    { remotes: Object.fromEntries(filled), virtuals },
    { source: 'file', formats: formats.map(format => format.name) },
  )
  if (settings === null) throw new Error(JSON.stringify(faults))
  return settings
}
