// The services of a Worker, from its bindings: R2 for blobs, D1 for rows, Workers KV and the cache for what may be
// forgotten, Durable Objects for what must be decided in one place.

import { createJsonLog } from '../../src/drivers/json-log.ts'
import { createMemoryMeter } from '../../src/drivers/memory-meter.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import { createTaskBackground } from '../../src/drivers/task-background.ts'
import { createUpstream } from '../../src/drivers/upstream.ts'
import type { Log } from '../../src/ports/log.ts'
import type { SettingsSource } from '../../src/ports/settings-source.ts'
import type { Part, Services } from '../../src/services.ts'
import { readEnvironment } from '../shared/environment.ts'
import { nodeHasher } from '../shared/node-hasher.ts'
import { version } from '../shared/version.ts'
import { type Bindings, variablesOf } from './bindings.ts'
import { createD1Database } from './d1-database.ts'
import { createWorkersDelivery } from './delivery.ts'
import { createDurableLease } from './durable-lease.ts'
import { createFetchTransport } from './fetch-transport.ts'
import { createR2Blobs } from './r2-blobs.ts'
import { openWorkerSettings } from './worker-settings.ts'
import { createWorkersKeyValue } from './workers-key-value.ts'

export interface WorkerSenses {
  readonly settings: SettingsSource
  /** Keeps the request, or the object, alive for `work`. */
  waitUntil(work: Promise<unknown>): void
  readonly flights: Services['flights']
}

// Plain numbers, so that Workers and Durable Objects of one isolate may share them.
const meter = createMemoryMeter()
const clock = createSystemClock()

export function openSettings(env: Bindings): Promise<SettingsSource> {
  return openWorkerSettings(env, openLog(env))
}

export function servicesFromBindings(env: Bindings, senses: WorkerSenses): Services {
  const { options } = environmentOf(env)
  const log = openLog(env)
  const database = createD1Database(env.DB)
  return {
    runtime: 'workers',
    version,
    options,
    settings: senses.settings,
    blobs: createR2Blobs(env.BLOBS, { hasher: nodeHasher, clock }),
    database,
    // Flights keep rows elsewhere, and other isolates drop them.
    recentRows: 0,
    keyValue: createWorkersKeyValue({ namespace: env.VALUES, cache: caches.default, clock, log }),
    lease: createDurableLease(env.LEASES),
    broadcast: null,
    eventBroadcast: null,
    // Flights are in Durable Objects, one place for all.
    peers: null,
    upstream: createUpstream({
      transport: createFetchTransport(),
      resolver: null,
      clock,
      log,
      meter,
      version,
    }),
    hasher: nodeHasher,
    delivery: createWorkersDelivery(),
    clock,
    background: createTaskBackground(log, senses.waitUntil),
    log,
    meter,
    flights: senses.flights,
    parts: partsOf(env),
  }
}

function openLog(env: Bindings): Log {
  // Where the platform takes logs from.
  const write = (text: string) => console.log(text.trimEnd())
  return createJsonLog({ write, level: environmentOf(env).logLevel, clock, waitMs: 0 })
}

function environmentOf(env: Bindings) {
  return readEnvironment(variablesOf(env), () => {
    throw new Error('a Worker has no files')
  })
}

function partsOf(env: Bindings): Part[] {
  return [
    {
      name: 'blobs',
      product: 'R2 bucket BLOBS',
      isNeeded: true,
      check: async () => {
        await env.BLOBS.head('blobs')
      },
    },
    {
      name: 'catalog',
      product: 'D1 database DB',
      isNeeded: true,
      check: async () => {
        await env.DB.prepare('select 1').first()
      },
    },
    {
      name: 'values',
      product: 'Workers KV VALUES and the Cache API',
      isNeeded: false,
      check: async () => {
        await env.VALUES.get('remotes.yaml')
      },
    },
    {
      name: 'leases',
      product: 'Durable Objects LEASES',
      isNeeded: true,
      check: async () => {
        await env.LEASES.get(env.LEASES.idFromName('ready')).holder()
      },
    },
    { name: 'flights', product: 'Durable Objects FLIGHTS', isNeeded: true, check: async () => {} },
  ]
}
