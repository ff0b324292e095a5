// Leases of a far place (Redis) that a near one (the database) stands in for. Three states, told by the mark:
//   - all is well: a lease is held far away, and nobody asks the near place for it;
//   - this process is cut off: it is held near;
//   - some process is, or was a moment ago: it is taken far and near, and near decides.
// What is held moves by itself whenever that changes, so that one holder stays one. Two remain possible where nothing
// can tell: a process that reaches neither place does not know what it lost until it asks; a far place that forgets
// everything while all still reach it gives a name again before its holder has asked; a holder that stands still
// for longer than the grace of the mark is not waited for.

import type { Clock } from '../ports/clock.ts'
import type { HeldLease, Lease, LeaseHolder } from '../ports/lease.ts'
import type { Health } from './fallback-health.ts'
import { carriedNote, createHolding, type Holding, readHolder } from './fallback-holding.ts'
import { createFallbackMark, FRESH_MS } from './fallback-mark.ts'

export interface FallbackLease extends Lease {
  close(): void
}

export interface FallbackLeaseParts {
  readonly far: Lease
  readonly near: Lease
  /** True when the other processes use the same near place. */
  readonly isNearShared: boolean
  /** Makes tokens of the near place comparable with those of the far one. */
  readonly toToken: (nearToken: number) => number
  readonly health: Health
  readonly clock: Clock
  /** Milliseconds from any beginning, never set back. */
  readonly elapsedMs: () => number
}

export function withFallbackLease(parts: FallbackLeaseParts): FallbackLease {
  const { far, near, toToken, health, clock, elapsedMs } = parts
  const mark = createFallbackMark(parts)
  const holdings = new Set<Holding>()
  let isTending = false
  let isClosed = false
  let awake = new AbortController()

  async function acquire(name: string, ttlSeconds: number, note = ''): Promise<HeldLease | null> {
    await mark.graceOver()
    const until = elapsedMs() + ttlSeconds * 1000
    let held: HeldLease | null
    try {
      held = await health.attempt(() => far.acquire(name, ttlSeconds, note))
    } catch {
      return await acquireNear(name, ttlSeconds, note)
    }
    if (held === null) return null
    const holding = begin(createHolding({ name, note, token: held.token, until, far: held, near: null }))
    // Asked only now: the mark may have been set meanwhile.
    const isMine = await holding.run(async () => !(await mark.isSet()) || (await isSecured(holding)))
    if (!isMine) await holding.run(() => lose(holding))
    return isMine ? toLease(holding) : null
  }

  async function acquireNear(name: string, ttlSeconds: number, note: string): Promise<HeldLease | null> {
    await mark.graceOver()
    const until = elapsedMs() + ttlSeconds * 1000
    const held = await near.acquire(name, ttlSeconds, note)
    if (held === null) return null
    return toLease(
      begin(createHolding({ name, note, token: toToken(held.token), until, far: null, near: held })),
    )
  }

  function toLease(holding: Holding): HeldLease {
    return {
      token: holding.token,
      renew: ttlSeconds => holding.run(() => renew(holding, ttlSeconds)),
      async release() {
        end(holding)
        await holding.run(() => letGo(holding))
      },
    }
  }

  async function renew(holding: Holding, ttlSeconds: number): Promise<boolean> {
    if (holding.isOver) return false
    const askedAt = elapsedMs()
    const isFarHeld = await renewFar(holding, ttlSeconds)
    const isMarked = isFarHeld === null || (await mark.isSet())
    const isNearHeld =
      isMarked || holding.near !== null ? await renewNear(holding, ttlSeconds, isFarHeld) : null
    const isHeld = isMarked ? (isNearHeld ?? isFarHeld) : isFarHeld
    if (isHeld !== true) {
      await lose(holding)
      return false
    }
    holding.until = askedAt + ttlSeconds * 1000
    begin(holding)
    return true
  }

  /** Null when the far place does not answer. */
  async function renewFar(holding: Holding, ttlSeconds: number): Promise<boolean | null> {
    const { far: held } = holding
    try {
      if (held !== null && (await health.attempt(() => held.renew(ttlSeconds)))) holding.isFarSure = true
      else if (held !== null) holding.far = null
      else await moveFar(holding, ttlSeconds)
      return holding.far !== null
    } catch {
      return null
    }
  }

  /** Null when the near place does not answer and the far one does. */
  async function renewNear(
    holding: Holding,
    ttlSeconds: number,
    isFarHeld: boolean | null,
  ): Promise<boolean | null> {
    const { near: held } = holding
    try {
      if (held !== null && (await held.renew(ttlSeconds))) return true
      holding.near = null
      // Only who still holds it may take it there.
      const mayTake = isFarHeld === true || (held === null && elapsedMs() < holding.until)
      return mayTake && (await moveNear(holding, ttlSeconds))
    } catch (error) {
      if (isFarHeld === null) throw error
      return null
    }
  }

  async function moveNear(holding: Holding, ttlSeconds: number): Promise<boolean> {
    holding.near = await near.acquire(holding.name, ttlSeconds, carriedNote(holding))
    return holding.near !== null
  }

  async function moveFar(holding: Holding, ttlSeconds: number): Promise<void> {
    holding.far = await health.attempt(() => far.acquire(holding.name, ttlSeconds, carriedNote(holding)))
    holding.isFarSure = holding.far !== null
  }

  /** False when somebody else holds it near. While near does not answer, nobody can take it there. */
  async function isSecured(holding: Holding): Promise<boolean> {
    if (holding.isOver) return false
    if (holding.near !== null) return true
    const leftSeconds = (holding.until - elapsedMs()) / 1000
    return leftSeconds > 0 && (await moveNear(holding, leftSeconds).catch(() => true))
  }

  /** From now on it is moved to where it has to be. */
  function begin(holding: Holding): Holding {
    holdings.add(holding)
    if (!isTending) void tend()
    return holding
  }

  async function tend(): Promise<void> {
    isTending = true
    while (holdings.size > 0 && !isClosed) {
      // Renewed before the work: what happens during it is not slept over.
      awake = new AbortController()
      await mark.look()
      await Promise.all([...holdings].map(holding => holding.run(() => mend(holding)).catch(() => {})))
      await clock.sleep(FRESH_MS, awake.signal)
    }
    isTending = false
  }

  /** What cannot be done now is tried again. */
  async function mend(holding: Holding): Promise<void> {
    if (holding.isOver) return
    const leftSeconds = (holding.until - elapsedMs()) / 1000
    if (leftSeconds <= 0) return void holdings.delete(holding)
    const isMarked = await mark.isSet()
    if (isMarked && !(await isSecured(holding))) return await lose(holding)
    if (health.fault() !== null) return
    if (!holding.isFarSure) await renewFar(holding, leftSeconds)
    else if (!isMarked && holding.near !== null) {
      const { near: held } = holding
      holding.near = null
      await held.release()
    }
  }

  function end(holding: Holding): void {
    holding.isOver = true
    holdings.delete(holding)
  }

  async function lose(holding: Holding): Promise<void> {
    end(holding)
    await letGo(holding)
  }

  /** Where it cannot be given back now it ends by itself. */
  async function letGo(holding: Holding): Promise<void> {
    const { far: farHeld, near: nearHeld } = holding
    holding.far = null
    holding.near = null
    if (health.fault() === null && farHeld !== null)
      await health.attempt(() => farHeld.release()).catch(() => {})
    // It remembers that, and does it later.
    else void farHeld?.release().catch(() => {})
    await nearHeld?.release().catch(() => {})
  }

  async function holder(name: string): Promise<LeaseHolder | null> {
    if (health.fault() === null) {
      const isMarked = await mark.isSet()
      const found = isMarked ? readHolder(await near.holder(name).catch(() => null), toToken) : null
      if (found !== null) return found
      try {
        return readHolder(await health.attempt(() => far.holder(name)), token => token)
      } catch {
        // Then near knows.
      }
    }
    return readHolder(await near.holder(name), toToken)
  }

  health.watch({
    away() {
      for (const holding of holdings) holding.isFarSure = false
      awake.abort()
    },
    back: () => awake.abort(),
  })

  return {
    acquire,
    holder,
    close() {
      isClosed = true
      awake.abort()
      mark.close()
    },
  }
}
