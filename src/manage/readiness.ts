// Whether requests can be served: every back end is asked, each with a deadline. One verdict is shared by all who
// ask at once and for a moment after, so that asking often costs nothing.

import { toProblem } from '../model/problem.ts'
import type { Part, Services } from '../services.ts'

const DEADLINE_MS = 2000
const VALID_MS = 1000

export interface Readiness {
  readonly isReady: boolean
  readonly parts: readonly PartState[]
}

export interface PartState {
  readonly name: string
  readonly product: string
  readonly isNeeded: boolean
  readonly isUp: boolean
  readonly error: string | null
  readonly milliseconds: number
}

export interface ReadinessCheck {
  verdict(): Promise<Readiness>
}

export function createReadinessCheck({ parts, clock }: Pick<Services, 'parts' | 'clock'>): ReadinessCheck {
  let last: { readonly at: number; readonly verdict: Promise<Readiness> } | null = null

  async function ask(): Promise<Readiness> {
    const states = await Promise.all(parts.map(part => askPart(part, clock)))
    return { isReady: states.every(state => state.isUp || !state.isNeeded), parts: states }
  }

  return {
    verdict() {
      if (last !== null && clock.now() - last.at < VALID_MS) return last.verdict
      const asked = { at: Number.POSITIVE_INFINITY, verdict: ask() }
      // It is valid from when it is known; until then all share it.
      asked.verdict.then(() => {
        asked.at = clock.now()
      })
      last = asked
      return asked.verdict
    },
  }
}

async function askPart(part: Part, clock: Services['clock']): Promise<PartState> {
  const { name, product, isNeeded } = part
  const startedAt = clock.now()
  const answered = new AbortController()
  const late = clock.sleep(DEADLINE_MS, answered.signal).then(() => {
    throw new Error(`no answer within ${DEADLINE_MS / 1000} s`)
  })
  late.catch(() => {})
  let error: string | null = null
  try {
    await Promise.race([part.check(), late])
  } catch (failure) {
    error = toProblem(failure, 'internal', `Cannot reach ${name} (${product})`).message
  } finally {
    answered.abort()
  }
  const milliseconds = clock.now() - startedAt
  return { name, product, isNeeded, isUp: error === null, error, milliseconds }
}
