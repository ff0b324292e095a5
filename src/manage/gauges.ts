// Figures that are looked at only when metrics are read. The catalog is asked at most every few seconds, however
// often they are; while it does not answer, what it said last stays.

import type { Repositories } from '../repositories/repositories.ts'

const VALID_MS = 10_000

export interface Gauges {
  /** Brings the figures up to date, as far as they can be had. */
  refresh(): Promise<void>
}

export function createGauges(repositories: Repositories): Gauges {
  const { services, catalog, directory, breaker, room, flights } = repositories
  const { meter, clock, blobs, log } = services
  const figures = { bytes: 0, blobs: 0, freeBytes: Number.NaN }
  const hosts = new Map<string, () => void>()
  let generation = -1
  let readAt = Number.NEGATIVE_INFINITY

  const startedAt = clock.now() / 1000
  meter.gauge('artifactapi_up', () => 1)
  meter.gauge('artifactapi_start_time_seconds', () => startedAt)
  meter.gauge('artifactapi_caching_suspended', () => (room.fault() === null ? 0 : 1))
  meter.gauge('artifactapi_flights', () => flights.count())
  meter.gauge('artifactapi_store_bytes', () => figures.bytes)
  meter.gauge('artifactapi_store_objects', () => figures.blobs)
  if (blobs.freeBytes !== undefined) meter.gauge('artifactapi_store_free_bytes', () => figures.freeBytes)

  /** One series for each origin's host; those of repositories that went away go with them. */
  function watchHosts(): void {
    if (generation === directory.generation()) return
    generation = directory.generation()
    const wanted = new Set(
      directory.all().flatMap(({ origin }) => (origin === null ? [] : [new URL(origin.baseUrl).host])),
    )
    for (const [host, forget] of hosts) {
      if (wanted.has(host)) continue
      forget()
      hosts.delete(host)
    }
    for (const host of wanted) {
      if (hosts.has(host)) continue
      const read = () => (breaker.open().includes(host) ? 1 : 0)
      hosts.set(host, meter.gauge('artifactapi_breaker_open', read, { host }))
    }
  }

  return {
    async refresh() {
      watchHosts()
      if (clock.now() - readAt < VALID_MS) return
      readAt = clock.now()
      try {
        const usage = await catalog.usage()
        figures.bytes = usage.bytes
        figures.blobs = usage.blobs
        figures.freeBytes = (await blobs.freeBytes?.()) ?? Number.NaN
      } catch (error) {
        log.warn('Cannot read the figures of the store', { error })
      }
    },
  }
}
