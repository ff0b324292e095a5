// The other processes that share the stores with this one, reached directly: what one of them downloads, the others
// pass on while it comes.

import type { ObjectRow } from '../model/object.ts'
import type { FlightJob, Landing } from './flights.ts'

export interface Peers {
  /** What the others reach this process by; the note of the leases it holds. */
  readonly self: string
  /** Which of several processes that serve one address this is; null for one that serves alone. */
  readonly worker: string | null
  /** The others that serve the same address. */
  siblings(): readonly Sibling[]
  /** The figures of a sibling, in Prometheus text format. Fails when it does not answer in time. */
  figures(address: string): Promise<string>
  /**
   * Follows the flight of `job` in the process at `address`, its body from byte `start`. Null when nothing flies there;
   * `closed` when what flies there cannot take newcomers any more.
   * Fails with `peer-lost` when the process cannot be reached or does not answer in time.
   */
  follow(address: string, job: FlightJob, start: number): Promise<PeerFlight | 'closed' | null>
}

export interface Sibling {
  readonly worker: string
  readonly address: string
}

export interface PeerFlight {
  /** What it brings. Fails with the Problem of the flight, or with `peer-lost`. */
  readonly landing: Promise<Landing>
  /**
   * After a landing of kind `body`: the bytes. It ends when the flight is over and good; it fails with the Problem of
   * the flight, or with `peer-lost` when its process falls silent or no longer has byte `start`.
   */
  body(): ReadableStream<Uint8Array>
  /** After the end: what was kept. Fails as `body` does. */
  readonly done: Promise<ObjectRow | null>
  /** Lets go of it. */
  cancel(): void
}
