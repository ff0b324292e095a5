// Lets a bounded number through for each key at a time, so that one dead mirror holds up nobody but itself.

import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import { armDeadline } from './deadline.ts'

export interface Turnstile {
  /**
   * Waits for a place. The returned function gives it back, once; calling it again does nothing.
   * Fails with `upstream-busy` when none is free in time.
   */
  enter(key: string, signal?: AbortSignal): Promise<() => void>
}

interface Gate {
  inside: number
  readonly waiting: Set<() => void>
}

export function createTurnstile(limits: { inFlight: number; queueMs: number }, clock: Clock): Turnstile {
  const gates = new Map<string, Gate>()

  async function enter(key: string, signal?: AbortSignal): Promise<() => void> {
    const gate = gates.get(key) ?? { inside: 0, waiting: new Set() }
    gates.set(key, gate)
    if (gate.inside < limits.inFlight) gate.inside++
    else await queue(key, gate, signal)
    let isInside = true
    return () => {
      if (isInside) leave(key, gate)
      isInside = false
    }
  }

  /** Resolves when whoever leaves hands its place over. */
  function queue(key: string, gate: Gate, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const admit = () => settle(resolve)
      const giveUp = () =>
        settle(() => reject(new Problem('cancelled', `Cannot fetch from ${key}: cancelled`)))
      const disarm = armDeadline(clock, limits.queueMs, () => settle(() => reject(busy(key, limits))))
      function settle(then: () => void) {
        gate.waiting.delete(admit)
        signal?.removeEventListener('abort', giveUp)
        disarm()
        then()
      }
      gate.waiting.add(admit)
      if (signal?.aborted) giveUp()
      else signal?.addEventListener('abort', giveUp)
    })
  }

  function leave(key: string, gate: Gate) {
    const [next] = gate.waiting
    if (next !== undefined) return next()
    gate.inside--
    if (gate.inside === 0) gates.delete(key)
  }

  return { enter }
}

function busy(key: string, limits: { inFlight: number; queueMs: number }): Problem {
  return new Problem(
    'upstream-busy',
    `Cannot fetch from ${key}: ${limits.inFlight} downloads are running and none ended within ${limits.queueMs} ms`,
  )
}
