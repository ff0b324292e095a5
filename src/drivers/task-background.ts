// Work that outlives its answer, kept in a set until it ends. On Workers `waitUntil` keeps the isolate alive for it.

import type { Background } from '../ports/background.ts'
import type { Log } from '../ports/log.ts'

export function createTaskBackground(
  log: Log,
  waitUntil?: (work: Promise<unknown>) => void,
): Background & { count(): number } {
  const running = new Set<Promise<void>>()

  function run(name: string, work: Promise<unknown>) {
    const task = work
      .then(
        () => {},
        error => log.error(`Background work failed: ${name}`, { error }),
      )
      .finally(() => running.delete(task))
    running.add(task)
    waitUntil?.(task)
  }

  async function settle() {
    // Work may start further work, so one look is not enough.
    while (running.size > 0) await Promise.all(running)
  }

  return { run, settle, count: () => running.size }
}
