// Downloads in flight: any number of requests for an object share one.

import type { ObjectRow, OriginHead } from '../model/object.ts'
import type { Target } from '../model/target.ts'

/** Plain data: it crosses into a Durable Object, to another replica, and survives a handover. */
export interface FlightJob {
  readonly repository: string
  readonly target: Target
}

export interface Flights {
  /** A view of the one running flight of this repository and key; starts it when there is none. */
  join(job: FlightJob): Promise<FlightView>
  /** The running flight, or null. */
  find(job: FlightJob): Promise<FlightView | null>
  /** True also for a running flight that cannot take newcomers any more, which `find` does not tell. */
  isFlying(job: FlightJob): boolean
  /** How many are in the air, where it is known. */
  count(): number
}

export interface FlightView extends RunningFlight {
  /** False when this request joined a flight that another one had started, here or elsewhere. */
  readonly isLeader: boolean
}

export interface RunningFlight {
  /** Settles as soon as it is known what the flight brings. Fails with a Problem. */
  readonly landing: Promise<Landing>
  /** The object once it is kept; null when its bytes were passed through and not kept. Fails with a Problem. */
  readonly done: Promise<ObjectRow | null>
  /** True while another process brings it, and this one passes it on. */
  readonly isFollowing: boolean
  /** False once it cannot take newcomers: a body that is not kept, and whose first byte is gone. */
  readonly isOpen: boolean
  /** Bytes that can be had at once. */
  readonly arrived: number
  /** Bytes a second that the origin delivers, as far as it is known; 0 = unknown. */
  readonly rate: number
  /**
   * The body from `start` to `end` (inclusive), following the download as it grows. Only after a landing of kind `body`.
   * Fails when the download fails. Null when byte `start` is no longer to be had (a body that is not kept).
   */
  body(start?: number, end?: number): ReadableStream<Uint8Array> | null
}

/** What a flight brings. */
export type Landing =
  /** A body is on its way. */
  | { readonly kind: 'body'; readonly head: OriginHead; readonly isKept: boolean }
  /** The copy at hand is good: it was fresh already, or the origin said so, or the origin is away and it has to do. */
  | { readonly kind: 'kept'; readonly row: ObjectRow; readonly how: 'fresh' | 'revalidated' | 'stale' }
  /** The origin answered, but not with the object. */
  | {
      readonly kind: 'negative'
      readonly status: number
      readonly retryAfter: string | null
      readonly isRemembered: boolean
    }
  /** Policy holds it back. */
  | { readonly kind: 'withheld'; readonly until: number; readonly reason: string }
