// Permission to be the only one doing something for a while, across processes.

export interface Lease {
  /** Takes `name` for `ttlSeconds`, or answers null at once when someone holds it. Free again after the ttl, even if the holder vanished. */
  acquire(name: string, ttlSeconds: number): Promise<HeldLease | null>
  /** The fencing token of who holds it now; null when it is free. */
  holder(name: string): Promise<number | null>
}

export interface HeldLease {
  /** Grows with every acquisition of the same name. */
  readonly token: number
  /** Holds on for `ttlSeconds` more; false when it was lost meanwhile. */
  renew(ttlSeconds: number): Promise<boolean>
  /** Gives the name back. Releasing twice, or after expiry, does nothing to later holders. */
  release(): Promise<void>
}
