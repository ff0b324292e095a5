// Leaves an origin alone that failed five times in a row: for 30 seconds nobody is sent there, then one request may
// try. Only failures to reach it count; an answer, whatever its status, is a sign of life.

import type { Clock } from '../ports/clock.ts'
import type { KeyValue } from '../ports/key-value.ts'
import type { Lease } from '../ports/lease.ts'

const FAILURES = 5
const OPEN_SECONDS = 30
const MEMORY_SECONDS = 600

export interface Breaker {
  /** Null: go. Else the seconds to wait. */
  waitSeconds(host: string): Promise<number | null>
  failed(host: string): Promise<void>
  succeeded(host: string): Promise<void>
  /** Hosts that are left alone now, as far as this process knows. */
  open(): readonly string[]
}

interface State {
  readonly failures: number
  readonly openUntil: number
}

export function createBreaker(parts: { keyValue: KeyValue; lease: Lease; clock: Clock }): Breaker {
  const { keyValue, lease, clock } = parts
  const known = new Map<string, State>()

  async function stateOf(host: string): Promise<State | null> {
    const text = await keyValue.get(`breaker:${host}`)
    const state = text === null ? null : readState(text)
    if (state === null) known.delete(host)
    else known.set(host, state)
    return state
  }

  return {
    async waitSeconds(host) {
      const state = await stateOf(host)
      if (state === null || state.failures < FAILURES) return null
      const waitMs = state.openUntil - clock.now()
      if (waitMs > 0) return Math.ceil(waitMs / 1000)
      const trial = await lease.acquire(`breaker:${host}`, OPEN_SECONDS)
      return trial === null ? 1 : null
    },
    async failed(host) {
      const before = await stateOf(host)
      const state = { failures: (before?.failures ?? 0) + 1, openUntil: clock.now() + OPEN_SECONDS * 1000 }
      known.set(host, state)
      await keyValue.set(`breaker:${host}`, JSON.stringify(state), MEMORY_SECONDS)
    },
    async succeeded(host) {
      if (!known.has(host)) return
      known.delete(host)
      await keyValue.delete(`breaker:${host}`)
    },
    open() {
      const now = clock.now()
      return [...known]
        .filter(([, state]) => state.failures >= FAILURES && now < state.openUntil)
        .map(([host]) => host)
    },
  }
}

function readState(text: string): State | null {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null) return null
  const { failures, openUntil } = value as Partial<State> // our own writing, checked below
  return typeof failures === 'number' && typeof openUntil === 'number' ? { failures, openUntil } : null
}
