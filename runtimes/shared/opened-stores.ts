// What the stores of a server are to whoever starts it, whichever were chosen.

import type { BlobStore } from '../../src/ports/blob-store.ts'
import type { Broadcast } from '../../src/ports/broadcast.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Database } from '../../src/ports/database.ts'
import type { KeyValue } from '../../src/ports/key-value.ts'
import type { Lease } from '../../src/ports/lease.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Meter } from '../../src/ports/meter.ts'
import type { Resolver, Transport } from '../../src/ports/transport.ts'
import type { Part } from '../../src/services.ts'
import type { WorkerPlace } from './worker-place.ts'

export interface OpenedDatabase {
  readonly database: Database
  /** True when processes on other machines use the same rows. */
  readonly isShared: boolean
  /** Leases kept in the rows; null where this process is the only one. */
  readonly lease: Lease | null
  /** Messages to the others who use the same rows; null where there are none. */
  readonly broadcast: Broadcast | null
  readonly part: Part
}

export interface DatabaseSenses {
  readonly log: Log
  /** One of several processes that share this machine's file; null = this process is the only one. */
  readonly place: WorkerPlace | null
}

export interface OpenedBlobs {
  /** What serves: with a disk in front where the store is far. */
  readonly blobs: BlobStore
  /** The store itself: what a scrub reads. */
  readonly store: BlobStore
  readonly parts: readonly Part[]
}

export interface BlobSenses {
  readonly transport: Transport
  readonly resolver: Resolver
  readonly clock: Clock
  readonly log: Log
}

export interface OpenedValues {
  readonly keyValue: KeyValue
  readonly lease: Lease
  /** Messages to all who use the same Redis; null where there are none. */
  readonly broadcast: Broadcast | null
  readonly parts: readonly Part[]
  close(): Promise<void>
}

export interface ValueSenses {
  readonly clock: Clock
  readonly log: Log
  readonly meter: Meter
  /** Null where this process is the only one. */
  readonly databaseLease: Lease | null
}

/** Where values and leases are while nothing else is chosen, or at hand. */
export const OWN_MEMORY = 'memory of this process'
