// Permission to be the only one doing something for a while, across processes. Time is the lease's own, never that of
// the processes that ask: their clocks may differ.

export interface Lease {
  /**
   * Takes `name` for `ttlSeconds`, or answers null at once when someone holds it. Free again after the ttl, even if
   * the holder vanished. `note` tells those who come too late what they may want to know of the holder.
   */
  acquire(name: string, ttlSeconds: number, note?: string): Promise<HeldLease | null>
  /** Who holds it now; null when it is free. */
  holder(name: string): Promise<LeaseHolder | null>
}

export interface LeaseHolder {
  /** The fencing token. */
  readonly token: number
  /** Empty when the holder left none. */
  readonly note: string
}

export interface HeldLease {
  /** Grows with every acquisition of the same name. */
  readonly token: number
  /** Holds on for `ttlSeconds` more; false when it was lost meanwhile. */
  renew(ttlSeconds: number): Promise<boolean>
  /** Gives the name back. Releasing twice, or after expiry, does nothing to later holders. */
  release(): Promise<void>
}
