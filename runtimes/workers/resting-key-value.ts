// Values of a back end that may be away: after a failure it is left alone for some seconds, so that it costs few requests
// a wait, and values are those of `near` meanwhile. It has no timers, because on Workers none outlives its request.

import type { Clock } from '../../src/ports/clock.ts'
import type { KeyValue } from '../../src/ports/key-value.ts'
import type { Log } from '../../src/ports/log.ts'

const REST_MS = 5_000
const WARNING_PAUSE_MS = 60_000

/** What an isolate knows of the back end: plain data, which all its Workers and Durable Objects may share. */
export interface Rest {
  until: number
  warnedAt: number
}

export interface RestingParts {
  /** For messages. */
  readonly name: string
  /** Made anew for each call: what one request has sent must not wait for another one. */
  readonly openFar: () => KeyValue
  readonly near: KeyValue
  readonly rest: Rest
  readonly clock: Clock
  readonly log: Log
}

export function newRest(): Rest {
  return { until: Number.NEGATIVE_INFINITY, warnedAt: Number.NEGATIVE_INFINITY }
}

export function withRestingKeyValue({ name, openFar, near, rest, clock, log }: RestingParts): KeyValue {
  async function ask<Result>(work: (keyValue: KeyValue) => Promise<Result>): Promise<Result> {
    if (clock.now() < rest.until) return work(near)
    try {
      return await work(openFar())
    } catch (error) {
      rest.until = clock.now() + REST_MS
      if (clock.now() - rest.warnedAt >= WARNING_PAUSE_MS) {
        rest.warnedAt = clock.now()
        log.warn(`${name} is away; values are kept near until it is back`, { error })
      }
      return work(near)
    }
  }

  return {
    get: key => ask(keyValue => keyValue.get(key)),
    set: (key, value, ttlSeconds) => ask(keyValue => keyValue.set(key, value, ttlSeconds)),
    delete: key => ask(keyValue => keyValue.delete(key)),
  }
}
