// The sign that some process cannot reach the first place of leases, kept in the second one, where all can see it.
// While it is set, a lease counts only when it is held in the second place too. Whoever is cut off sets it, and waits
// until all the others have had the time to see it and to take there what they hold.

import type { Clock } from '../ports/clock.ts'
import type { HeldLease, Lease } from '../ports/lease.ts'
import type { Health } from './fallback-health.ts'

export interface FallbackMark {
  /** Whether some process was cut off lately, as it was at most `FRESH_MS` ago. */
  isSet(): Promise<boolean>
  /** Looks at it now. */
  look(): Promise<void>
  /** Resolves when those who hold something have been warned, should this process have been cut off lately. */
  graceOver(): Promise<void>
  close(): void
}

export interface FallbackMarkParts {
  readonly near: Lease
  /** Nobody else sees the second place: then there is nobody to wait for. */
  readonly isNearShared: boolean
  readonly health: Health
  readonly clock: Clock
  /** Milliseconds from any beginning, never set back. */
  readonly elapsedMs: () => number
}

const NAME = 'fallback:away'
const MARK_SECONDS = 30
const KEEP_MS = 1_000
/** How old an answer may be; those who hold something ask as often. */
export const FRESH_MS = 1_000
/** As old, and half a second to take what is held. */
export const GRACE_MS = 1_500
/** For so long it is believed when it is not seen any more: another process that is cut off may be about to set it. */
export const LINGER_MS = 10_000

export function createFallbackMark(parts: FallbackMarkParts): FallbackMark {
  const { near, isNearShared, health, clock, elapsedMs } = parts
  const ended = new AbortController()
  const graceMs = isNearShared ? GRACE_MS : 0
  // Who begins does not know what was before.
  let believedUntil = elapsedMs() + LINGER_MS
  let asked: { readonly at: number; readonly done: Promise<void> } | null = null
  let graceEndsAt = Number.NEGATIVE_INFINITY
  let setting: Promise<void> = Promise.resolve()
  let own: HeldLease | null = null
  /** Since when it is set without a break, where this process set it. */
  let ownSince: number | null = null
  let isNews = false
  let isKeeping = false

  /** That another one has set it will do. */
  async function set(): Promise<void> {
    if (own === null || !(await own.renew(MARK_SECONDS))) {
      own = await near.acquire(NAME, MARK_SECONDS)
      ownSince = own === null ? null : elapsedMs()
    }
    believedUntil = elapsedMs() + LINGER_MS
  }

  /** While it stays set nobody holds anything that is not in the second place too, and no new grace is needed. */
  async function warn(): Promise<void> {
    const isDone = await set().then(
      () => true,
      () => false,
    )
    if (!isDone) ownSince = null
    if (isNews) graceEndsAt = (ownSince ?? elapsedMs()) + graceMs
    if (isDone) isNews = false
  }

  function look(): Promise<void> {
    const done = near.holder(NAME).then(
      holder => {
        if (holder !== null) believedUntil = elapsedMs() + LINGER_MS
      },
      // Then nobody gets a lease there, and there is nothing to be warned of.
      () => {},
    )
    asked = { at: elapsedMs(), done }
    return done
  }

  async function keep(): Promise<void> {
    if (isKeeping) return
    isKeeping = true
    do {
      await clock.sleep(KEEP_MS, ended.signal)
      if (ended.signal.aborted) return
      setting = warn()
      await setting
    } while (health.fault() !== null)
    isKeeping = false
  }

  health.watch({
    away() {
      isNews = true
      setting = warn()
      void keep()
    },
  })

  return {
    async isSet() {
      if (health.fault() !== null) return true
      if (asked === null || elapsedMs() - asked.at >= FRESH_MS) await look()
      else await asked.done
      return elapsedMs() < believedUntil
    },
    look,
    async graceOver() {
      await setting
      // Once, however often it is cut off meanwhile: the warning stands.
      const waitMs = graceEndsAt - elapsedMs()
      if (waitMs > 0) await clock.sleep(waitMs, ended.signal)
    },
    close: () => ended.abort(),
  }
}
