// Holds work to a pace, in bytes a second.

import type { Clock } from '../ports/clock.ts'

/** Shorter waits are added up: timers are not that exact. */
const SHORTEST_MS = 20

export interface Throttle {
  /** Resolves when the pace allows to go on, or at once when `signal` aborts. */
  spend(bytes: number, signal?: AbortSignal): Promise<void>
}

export function createThrottle(clock: Clock, bytesPerSecond: number): Throttle {
  let dueAt = clock.now()
  return {
    async spend(bytes, signal) {
      // Time that passed unused is not made up for.
      dueAt = Math.max(dueAt, clock.now() - SHORTEST_MS) + (bytes / bytesPerSecond) * 1000
      const waitMs = dueAt - clock.now()
      if (waitMs >= SHORTEST_MS) await clock.sleep(waitMs, signal)
    },
  }
}
