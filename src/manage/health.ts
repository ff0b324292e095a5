// How this process is doing, from what it knows already: no back end is asked, so this stays cheap and answers
// also when everything behind it is down.

import type { Repositories } from '../repositories/repositories.ts'

export interface Health {
  readonly status: 'ok' | 'degraded'
  readonly version: string
  readonly runtime: string
  /** What does not work as it should, and what that means. */
  readonly degraded: readonly { readonly part: string; readonly reason: string }[]
}

export function readHealth({ services, room, breaker }: Repositories): Health {
  const degraded: { part: string; reason: string }[] = []
  const store = room.fault()
  if (store !== null)
    degraded.push({ part: 'store', reason: `caching is off, requests pass through: ${store}` })
  const settings = services.settings.fault()
  if (settings !== null) {
    degraded.push({ part: 'configuration', reason: `the configuration before it holds: ${settings}` })
  }
  for (const host of breaker.open()) {
    degraded.push({ part: 'origin', reason: `${host} failed repeatedly and is left alone for a while` })
  }
  return {
    status: degraded.length === 0 ? 'ok' : 'degraded',
    version: services.version,
    runtime: services.runtime,
    degraded,
  }
}
