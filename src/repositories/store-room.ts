// Whether bodies can be kept at the moment. A store that is full or broken turns caching off, not the service: bodies
// are passed through, and after a while the next one is tried again.

import type { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'

const PAUSE_MS = 10_000

export interface StoreRoom {
  /** True when the next body may try to be kept. */
  isOpen(): boolean
  /** The store refused a body. */
  close(problem: Problem): void
  /** The store kept a body. */
  reopen(): void
  /** Why bodies are not kept; null when they are. */
  fault(): string | null
}

export function createStoreRoom(parts: { clock: Clock; log: Log }): StoreRoom {
  const { clock, log } = parts
  let fault: string | null = null
  let retryAt = 0

  return {
    isOpen: () => fault === null || clock.now() >= retryAt,
    close(problem) {
      if (fault === null)
        log.error(`Caching is off, requests pass through: ${problem.message}`, { problem: problem.code })
      fault = problem.message
      retryAt = clock.now() + PAUSE_MS
    },
    reopen() {
      if (fault === null) return
      fault = null
      log.info('Caching is on again: the store takes bodies')
    },
    fault: () => fault,
  }
}
