// Values of a back end that may be away: then they are this process's own, and begin anew with every absence, so that
// nothing comes back that was deleted meanwhile. Nobody who asks notices more than forgotten values.

import type { KeyValue } from '../ports/key-value.ts'
import type { Health } from './fallback-health.ts'

export function withFallbackKeyValue(far: KeyValue, openNear: () => KeyValue, health: Health): KeyValue {
  let near = openNear()
  health.watch({
    away() {
      near = openNear()
    },
  })

  async function ask<T>(work: (keyValue: KeyValue) => Promise<T>): Promise<T> {
    try {
      return await health.attempt(() => work(far))
    } catch {
      return await work(near) // health has taken note of the failure
    }
  }

  return {
    get: key => ask(keyValue => keyValue.get(key)),
    set: (key, value, ttlSeconds) => ask(keyValue => keyValue.set(key, value, ttlSeconds)),
    delete: key => ask(keyValue => keyValue.delete(key)),
  }
}
