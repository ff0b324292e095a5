// The services of a server, as its environment chooses them: what is embedded is files for blobs, SQLite for rows,
// and the memory of this process for what may be forgotten.

import { join, sep } from 'node:path'
import { connectTo } from '../../src/drivers/connect-to.ts'
import { withHotBlobs } from '../../src/drivers/hot-blobs.ts'
import { createMemoryFlights } from '../../src/drivers/memory-flights.ts'
import { createMemoryKeyValue } from '../../src/drivers/memory-key-value.ts'
import { createMemoryLease } from '../../src/drivers/memory-lease.ts'
import { createMemoryMeter } from '../../src/drivers/memory-meter.ts'
import { createTaskBackground } from '../../src/drivers/task-background.ts'
import { createUpstream } from '../../src/drivers/upstream.ts'
import type { BlobStore } from '../../src/ports/blob-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Database } from '../../src/ports/database.ts'
import type { Delivery } from '../../src/ports/delivery.ts'
import type { Log } from '../../src/ports/log.ts'
import type { SettingsSource } from '../../src/ports/settings-source.ts'
import type { Transport } from '../../src/ports/transport.ts'
import type { Part, Services } from '../../src/services.ts'
import type { Environment } from './environment.ts'
import { createFileBlobs } from './file-blobs.ts'
import { nodeHasher } from './node-hasher.ts'
import { createSqliteDatabase } from './sqlite-database.ts'
import { createSystemResolver } from './system-resolver.ts'

/** What differs between runtimes, and what was opened before. */
export interface Senses {
  readonly runtime: 'bun' | 'node' | 'deno'
  readonly version: string
  readonly transport: Transport
  readonly delivery: Delivery
  readonly clock: Clock
  readonly log: Log
  readonly settings: SettingsSource
  /** Null = writing and managing are refused. */
  readonly adminToken: string | null
}

/** `environment.dataDir` must exist. */
export function servicesFromEnvironment(environment: Environment, senses: Senses): Services {
  const { clock, log } = senses
  const { dataDir, options } = environment
  const meter = createMemoryMeter()
  const database = createSqliteDatabase({ path: join(dataDir, 'catalog.db') })
  const coldBlobs = createFileBlobs({ directory: dataDir, hasher: nodeHasher, clock, log })
  // The other half is the hot path's, which holds answers made of the same bodies.
  const blobs = withHotBlobs(coldBlobs, { hasher: nodeHasher, limitBytes: options.hotCacheBytes / 2 })
  meter.gauge('artifactapi_hot_bytes', () => blobs.usedBytes)
  const { resolver, dialer } = connectTo(environment.connectTo, createSystemResolver(clock))
  return {
    runtime: senses.runtime,
    version: senses.version,
    options: { ...options, adminToken: senses.adminToken },
    settings: senses.settings,
    blobs,
    coldBlobs,
    database,
    keyValue: createMemoryKeyValue(clock),
    lease: createMemoryLease(clock),
    upstream: createUpstream({
      transport: senses.transport,
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
    parts: partsOf(dataDir, coldBlobs, database),
  }
}

function partsOf(dataDir: string, blobs: BlobStore, database: Database): Part[] {
  const answersAlways = async () => {}
  return [
    {
      name: 'blobs',
      product: `files in ${shown(dataDir, 'blobs')}`,
      isNeeded: true,
      check: async () => {
        await blobs.freeBytes?.()
      },
    },
    {
      name: 'catalog',
      product: `SQLite ${shown(dataDir, 'catalog.db')}`,
      isNeeded: true,
      check: async () => {
        await database.query('select 1 as one')
      },
    },
    { name: 'values', product: 'memory of this process', isNeeded: false, check: answersAlways },
    { name: 'leases', product: 'memory of this process', isNeeded: false, check: answersAlways },
  ]
}

/** As the operator wrote it: `join` would take the `./` away. */
function shown(dataDir: string, name: string): string {
  return dataDir.endsWith(sep) ? `${dataDir}${name}` : `${dataDir}${sep}${name}`
}
