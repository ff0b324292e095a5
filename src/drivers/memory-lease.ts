// Leases among the tasks of one process. Right for a single process; replicas need a lease they share.

import type { Clock } from '../ports/clock.ts'
import type { HeldLease, Lease, LeaseHolder } from '../ports/lease.ts'

/** Forgotten holders are looked for when this many names are held. */
const SWEEP_AT = 1024

interface Holding extends LeaseHolder {
  expiresAt: number
}

export function createMemoryLease(clock: Clock): Lease {
  const holdings = new Map<string, Holding>()
  let lastToken = 0
  let sweepAt = SWEEP_AT

  /** Who holds `name` at this moment. */
  function find(name: string): Holding | undefined {
    const holding = holdings.get(name)
    if (holding === undefined || clock.now() < holding.expiresAt) return holding
    holdings.delete(name)
    return undefined
  }

  async function acquire(name: string, ttlSeconds: number, note = ''): Promise<HeldLease | null> {
    if (find(name) !== undefined) return null
    if (holdings.size >= sweepAt) sweep()
    // Starting at the time of day lets tokens grow over a restart too.
    lastToken = Math.max(lastToken + 1, clock.now())
    const holding: Holding = { token: lastToken, note, expiresAt: clock.now() + ttlSeconds * 1000 }
    holdings.set(name, holding)
    return {
      token: holding.token,
      async renew(moreSeconds) {
        if (find(name) !== holding) return false
        holding.expiresAt = clock.now() + moreSeconds * 1000
        return true
      },
      async release() {
        if (find(name) === holding) holdings.delete(name)
      },
    }
  }

  function sweep() {
    for (const name of holdings.keys()) find(name)
    sweepAt = Math.max(SWEEP_AT, holdings.size * 2)
  }

  return {
    acquire,
    async holder(name) {
      const holding = find(name)
      return holding === undefined ? null : { token: holding.token, note: holding.note }
    },
  }
}
