// The one place of the core that reads the time of the machine and waits on its timers.

import type { Clock } from '../ports/clock.ts'

/** Longer waits wrap around in every runtime and would end at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export function createSystemClock(): Clock {
  return { now: Date.now, sleep }
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) return resolve()
    const timer = setTimeout(wake, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS))
    letProcessEnd(timer)
    signal?.addEventListener('abort', wake)
    function wake() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', wake)
      resolve()
    }
  })
}

function letProcessEnd(timer: unknown) {
  // A number in browsers and Workers, where no process waits; an object that can be unref'ed on Bun, Deno and Node.
  if (typeof timer === 'object' && timer !== null && 'unref' in timer && typeof timer.unref === 'function') {
    timer.unref()
  }
}
