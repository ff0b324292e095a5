// The record of ports that a runtime hands in, and the options its operator set.

import type { Background } from './ports/background.ts'
import type { BlobStore } from './ports/blob-store.ts'
import type { Broadcast } from './ports/broadcast.ts'
import type { Clock } from './ports/clock.ts'
import type { Database } from './ports/database.ts'
import type { Delivery } from './ports/delivery.ts'
import type { FlightJob, Flights, RunningFlight } from './ports/flights.ts'
import type { Hasher } from './ports/hasher.ts'
import type { KeyValue } from './ports/key-value.ts'
import type { Lease } from './ports/lease.ts'
import type { Log } from './ports/log.ts'
import type { Meter } from './ports/meter.ts'
import type { Peers } from './ports/peers.ts'
import type { SettingsSource } from './ports/settings-source.ts'
import type { Upstream } from './ports/upstream.ts'

export interface Services {
  readonly runtime: 'bun' | 'node' | 'deno' | 'workers'
  readonly version: string
  readonly options: Options
  readonly settings: SettingsSource
  readonly blobs: BlobStore
  /** The same blobs as they lie in the store, where `blobs` has memory in front of it: what a scrub reads. */
  readonly coldBlobs?: BlobStore
  readonly database: Database
  /** How many rows this process may remember; 0 where others change them too, and nobody would tell it. */
  readonly recentRows?: number
  readonly keyValue: KeyValue
  readonly lease: Lease
  /** Tells the others who use the same rows which of them changed; null where there are none. */
  readonly broadcast: Broadcast | null
  /** Carries live events between processes; null where there is only one. */
  readonly eventBroadcast: Broadcast | null
  /** The other processes that share the stores; null where there are none, or flights are in one place anyway. */
  readonly peers: ((secret: () => Promise<string>) => Peers) | null
  readonly upstream: Upstream
  readonly hasher: Hasher
  readonly delivery: Delivery
  readonly clock: Clock
  readonly background: Background
  readonly log: Log
  readonly meter: Meter
  /** Where flights fly: in this process, or elsewhere, where `start` is called with the same job. */
  readonly flights: (start: (job: FlightJob) => RunningFlight) => Flights
  /** The back ends that were chosen, for the start-up line and `/ready`. */
  readonly parts: readonly Part[]
}

export interface Part {
  /** `blobs`, `catalog`, `values`, `leases` … */
  readonly name: string
  /** `files in ./data/blobs`, `SQLite ./data/catalog.db` … Without secrets. */
  readonly product: string
  /** True when nothing can be served without it. */
  readonly isNeeded: boolean
  /** Throws when it does not answer. */
  check(): Promise<void>
}

export interface Options {
  /** Without trailing slash; null = as the request says. */
  readonly publicUrl: string | null
  /** Null = writing and managing are refused. */
  readonly adminToken: string | null
  readonly anonymousRead: boolean
  /** How long a miss of known size may wait to be answered with its length. */
  readonly missWaitMs: number
  readonly hotCacheBytes: number
  /** Null = no limit. */
  readonly cacheMaxBytes: number | null
  /** 0 = no scrub. */
  readonly scrubBytesPerSecond: number
  /** How long an unreferenced blob stays. */
  readonly collectGraceSeconds: number
  /** How often limits are kept and unreferenced blobs are collected, and a scrub begins. */
  readonly maintenanceMs: number
}
