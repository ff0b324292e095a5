// The services of a Worker, from its bindings: R2 for blobs, D1 or Postgres for rows, Workers KV and the cache, or Upstash,
// for what may be forgotten, Durable Objects for what must be decided in one place.

import { createJsonLog } from '../../src/drivers/json-log.ts'
import { createMemoryMeter } from '../../src/drivers/memory-meter.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import { createTaskBackground } from '../../src/drivers/task-background.ts'
import { createUpstream } from '../../src/drivers/upstream.ts'
import type { Database } from '../../src/ports/database.ts'
import type { Log } from '../../src/ports/log.ts'
import type { SettingsSource } from '../../src/ports/settings-source.ts'
import type { Part, Services } from '../../src/services.ts'
import { nodeHasher } from '../shared/node-hasher.ts'
import { version } from '../shared/version.ts'
import type { Bindings } from './bindings.ts'
import { createWorkersDelivery } from './delivery.ts'
import { createDurableLease } from './durable-lease.ts'
import { createFetchTransport } from './fetch-transport.ts'
import { createR2Blobs } from './r2-blobs.ts'
import { databasePart } from './worker-database.ts'
import { readWorkerEnvironment, type WorkerEnvironment } from './worker-environment.ts'
import { openWorkerSettings } from './worker-settings.ts'
import { openWorkerValues } from './worker-values.ts'

/** What a Worker and its Durable Objects alike begin with. */
export interface Ground {
  readonly env: Bindings
  readonly environment: WorkerEnvironment
  readonly log: Log
  readonly settings: SettingsSource
}

export interface WorkerSenses {
  readonly database: Database
  /** Keeps the request, or the object, alive for `work`. */
  waitUntil(work: Promise<unknown>): void
  readonly flights: Services['flights']
}

// Plain numbers, so that Workers and Durable Objects of one isolate may share them.
const meter = createMemoryMeter()
export const clock = createSystemClock()

/** Throws `settings-invalid` when the variables or the repositories do not validate. */
export async function openGround(env: Bindings): Promise<Ground> {
  const environment = readWorkerEnvironment(env)
  // Where the platform takes logs from.
  const write = (text: string) => console.log(text.trimEnd())
  const log = createJsonLog({ write, level: environment.logLevel, clock, waitMs: 0 })
  return { env, environment, log, settings: await openWorkerSettings(env, log) }
}

export function servicesOf({ env, environment, log, settings }: Ground, senses: WorkerSenses): Services {
  const { options, originLimits: limits } = environment
  const { database } = senses
  const values = openWorkerValues(env, environment, { clock, log })
  return {
    runtime: 'workers',
    version,
    options,
    settings,
    blobs: createR2Blobs(env.BLOBS, { hasher: nodeHasher, clock }),
    database,
    // Flights keep rows elsewhere, and other isolates drop them.
    recentRows: 0,
    keyValue: values.keyValue,
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
      limits,
    }),
    hasher: nodeHasher,
    delivery: createWorkersDelivery(),
    clock,
    background: createTaskBackground(log, senses.waitUntil),
    log,
    meter,
    flights: senses.flights,
    parts: [blobsPart(env), databasePart(environment, database), values.part, ...objectParts(env)],
  }
}

function blobsPart({ BLOBS }: Bindings): Part {
  const check = async () => {
    await BLOBS.head('blobs')
  }
  return { name: 'blobs', product: 'R2 bucket BLOBS', isNeeded: true, check }
}

function objectParts({ LEASES }: Bindings): Part[] {
  const askLease = async () => {
    await LEASES.get(LEASES.idFromName('ready')).holder()
  }
  return [
    { name: 'leases', product: 'Durable Objects LEASES', isNeeded: true, check: askLease },
    { name: 'flights', product: 'Durable Objects FLIGHTS', isNeeded: true, check: async () => {} },
  ]
}
