// A clock that stands still until a test moves it.

import type { Clock } from '../src/ports/clock.ts'

interface Sleeper {
  readonly at: number
  wake(): void
}

export class FakeClock implements Clock {
  #now: number
  readonly #sleepers = new Set<Sleeper>()

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start
  }

  now = () => this.#now

  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise(resolve => {
      if (signal?.aborted) return resolve()
      const sleeper = {
        at: this.#now + Math.max(ms, 0),
        wake: () => {
          this.#sleepers.delete(sleeper)
          signal?.removeEventListener('abort', sleeper.wake)
          resolve()
        },
      }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', sleeper.wake)
    })

  /** How many are waiting. */
  get sleeping(): number {
    return this.#sleepers.size
  }

  /** Moves on, waking sleepers in their order and letting each do its work before time goes on. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await turn()
    for (;;) {
      const due = [...this.#sleepers].filter(sleeper => sleeper.at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#now = Math.max(this.#now, due.at)
      due.wake()
      await turn()
    }
    this.#now = end
    await turn()
  }
}

/** Lets everything run that is ready to. */
function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
