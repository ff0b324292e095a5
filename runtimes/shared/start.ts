// The services of a server, joined: each group of variables chooses where blobs, rows and values are kept.

import { connectTo } from '../../src/drivers/connect-to.ts'
import { createFollowedClock } from '../../src/drivers/followed-clock.ts'
import { withHotBlobs } from '../../src/drivers/hot-blobs.ts'
import { createHttpPeers } from '../../src/drivers/http-peers.ts'
import { createMemoryFlights } from '../../src/drivers/memory-flights.ts'
import { createMemoryMeter } from '../../src/drivers/memory-meter.ts'
import { createServiceLink, type ServiceLink } from '../../src/drivers/service-link.ts'
import { createTaskBackground } from '../../src/drivers/task-background.ts'
import { createUpstream } from '../../src/drivers/upstream.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Delivery } from '../../src/ports/delivery.ts'
import type { Log } from '../../src/ports/log.ts'
import type { SettingsSource } from '../../src/ports/settings-source.ts'
import type { Transport } from '../../src/ports/transport.ts'
import type { Part, Services } from '../../src/services.ts'
import type { Environment } from './environment.ts'
import { nodeHasher } from './node-hasher.ts'
import { openBlobs } from './open-blobs.ts'
import { openDatabase } from './open-database.ts'
import { openValues } from './open-values.ts'
import type { OpenedDatabase } from './opened-stores.ts'
import { createSystemResolver } from './system-resolver.ts'
import { type WorkerPlace, watchSiblings } from './worker-place.ts'

/** What differs between runtimes, and what was opened before. */
export interface Senses {
  readonly runtime: 'bun' | 'node' | 'deno'
  readonly version: string
  readonly transport: Transport
  readonly delivery: Delivery
  readonly clock: Clock
  readonly log: Log
  readonly settings: SettingsSource
  readonly adminToken: string | null
  /** Where the other processes of the same stores reach this one; null or absent = nobody does. */
  readonly peerAddress?: string | null
  /** Null or absent for a process that serves alone. */
  readonly place?: WorkerPlace | null
}

export interface OpenedServices extends Services {
  /** When nothing uses them any more. */
  close(): Promise<void>
}

/** `environment.dataDir` must exist. */
export async function servicesFromEnvironment(
  environment: Environment,
  senses: Senses,
): Promise<OpenedServices> {
  const { log } = senses
  const { options } = environment
  const meter = createMemoryMeter()
  const rows = await openDatabase(environment, { log, place: senses.place ?? null })
  const { clock, unfollow } = await clockFor(rows, senses)
  const systemResolver = createSystemResolver(clock)
  const { resolver, dialer } = connectTo(environment.connectTo, systemResolver)
  const { transport } = senses
  const link = createServiceLink({ transport, resolver: systemResolver, clock })
  const values = await openValues(environment, { clock, log, meter, databaseLease: rows.lease })
  const stored = await openBlobs(environment, { transport, resolver: systemResolver, clock, log })
  // The other half is the hot path's, which holds answers made of the same bodies.
  const blobs = withHotBlobs(stored.blobs, { hasher: nodeHasher, limitBytes: options.hotCacheBytes / 2 })
  meter.gauge('artifactapi_hot_bytes', () => blobs.usedBytes)
  return {
    runtime: senses.runtime,
    version: senses.version,
    options: { ...options, adminToken: senses.adminToken },
    settings: senses.settings,
    blobs,
    coldBlobs: stored.store,
    database: rows.database,
    keyValue: values.keyValue,
    lease: values.lease,
    broadcast: rows.broadcast,
    eventBroadcast: values.broadcast ?? rows.broadcast,
    peers: peersOf({ ...senses, clock }, link),
    upstream: createUpstream({
      transport,
      resolver,
      dialer,
      clock,
      log,
      meter,
      version: senses.version,
      limits: environment.originLimits,
    }),
    hasher: nodeHasher,
    delivery: senses.delivery,
    clock,
    background: createTaskBackground(log),
    log,
    meter,
    flights: createMemoryFlights,
    parts: [...stored.parts, rows.part, ...values.parts, ...peerParts(senses.peerAddress ?? null)],
    async close() {
      unfollow()
      await values.close()
      await rows.broadcast?.close()
      await rows.database.close()
    },
  }
}

/** Processes on several machines have one time, the database's. */
async function clockFor({ isShared, database }: OpenedDatabase, { clock, log }: Senses) {
  if (!isShared) return { clock, unfollow() {} }
  const followed = createFollowedClock(clock, database, log)
  const over = new AbortController()
  await followed.adjust()
  void followed.follow(over.signal)
  return { clock: followed, unfollow: () => over.abort() }
}

/** Null where no other process shares the stores. */
function peersOf({ peerAddress = null, place = null, clock }: Senses, link: ServiceLink): Services['peers'] {
  if (peerAddress === null) return null
  const worker = place === null ? null : String(place.index)
  const siblings = place === null ? () => [] : watchSiblings(place)
  return secret => createHttpPeers({ link, clock, self: peerAddress, secret, worker, siblings })
}

function peerParts(address: string | null): Part[] {
  if (address === null) return []
  return [{ name: 'peers', product: `reached at ${address}`, isNeeded: false, check: async () => {} }]
}
