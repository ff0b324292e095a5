// A stage is spent once: after `commit`, `suspend` or `discard` there is nothing more to be done with it.

import { Problem } from '../model/problem.ts'

export interface StageLife {
  readonly isSpent: boolean
  /** Throws when it is spent. */
  refuseSpent(action: string): void
  /** The same, and it is spent from now on. */
  spend(action: string): void
}

export function createStageLife(id: string): StageLife {
  let isSpent = false

  function refuseSpent(action: string): void {
    if (isSpent) throw new Problem('internal', `Cannot ${action} stage ${id}: it is spent`)
  }

  return {
    get isSpent() {
      return isSpent
    },
    refuseSpent,
    spend(action) {
      refuseSpent(action)
      isSpent = true
    },
  }
}
