// Keeps what is cached within its limits: the objects used least recently go first, down to nine tenths of the limit.
// Pinned objects never go (uploads are pinned). What goes is condemned; the collector frees the bytes.

import type { Repositories } from '../repositories/repositories.ts'

const PAGE = 100
const LOW_WATER = 0.9

export interface Evicted {
  objects: number
  bytes: number
}

export async function evict(repositories: Repositories, signal?: AbortSignal): Promise<Evicted> {
  const { services, catalog, directory } = repositories
  const { cacheMaxBytes } = services.options
  const limited = directory
    .all()
    .filter(({ kind, caching }) => kind === 'remote' && caching.maxBytes !== null)
  const evicted: Evicted = { objects: 0, bytes: 0 }
  if (limited.length === 0 && cacheMaxBytes === null) return evicted
  // Uses that are not written down yet would not count.
  await catalog.flushTouches()

  for (const { name, caching } of limited) {
    await shrink(repositories, evicted, { of: name, limitBytes: caching.maxBytes ?? 0, signal }, async () => {
      return (await catalog.usage()).repositories.get(name)?.bytes ?? 0
    })
  }
  if (cacheMaxBytes !== null) {
    await shrink(repositories, evicted, { of: null, limitBytes: cacheMaxBytes, signal }, async () => {
      // Condemned bytes are as good as gone.
      const condemned = await catalog.condemnedSum(Number.MAX_SAFE_INTEGER)
      return (await catalog.usage()).bytes - condemned.bytes
    })
  }
  if (evicted.objects > 0) services.log.info('Objects evicted to stay within a limit', { ...evicted })
  return evicted
}

interface Limit {
  /** Null: all repositories together. */
  readonly of: string | null
  readonly limitBytes: number
  readonly signal?: AbortSignal
}

async function shrink(
  { services, catalog }: Repositories,
  evicted: Evicted,
  { of, limitBytes, signal }: Limit,
  usedBytes: () => Promise<number>,
): Promise<void> {
  let excess = (await usedBytes()) - limitBytes
  if (excess <= 0) return
  const goal = Math.floor(limitBytes * LOW_WATER)
  for (;;) {
    excess = (await usedBytes()) - goal
    if (excess <= 0) return
    const page = await catalog.leastUsed(of, PAGE)
    if (page.length === 0) {
      services.log.warn(`Cannot bring ${of ?? 'the cache'} under its limit: only pinned objects are left`, {
        limit: limitBytes,
      })
      return
    }
    for (const row of page) {
      // An estimate: bytes that others share are not freed. It is measured again after each page.
      if (excess <= 0) break
      if (signal?.aborted) return
      await catalog.forget(row)
      excess -= row.size
      evicted.objects++
      evicted.bytes += row.size
      const labels = { repo: row.repository }
      services.meter.counter('artifactapi_evicted_objects_total', labels).value++
      services.meter.counter('artifactapi_evicted_bytes_total', labels).value += row.size
    }
  }
}
