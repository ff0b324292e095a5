// Figures of what is kept and of how requests were answered, in one look.

import type { Repositories } from '../repositories/repositories.ts'

export interface RepositoryStats {
  readonly objects: number
  /** Of its objects, also where other repositories share the bytes. */
  readonly bytes: number
  readonly limitBytes: number | null
}

export interface Stats {
  readonly objects: number
  readonly bytes: number
  /** Distinct bodies in the store, those that wait for the collector included. */
  readonly store: {
    readonly blobs: number
    readonly bytes: number
    readonly condemnedBlobs: number
    readonly condemnedBytes: number
    readonly limitBytes: number | null
    readonly freeBytes: number | null
  }
  readonly flights: number
  /** Of this process, since it started. */
  readonly requests: Readonly<Record<string, number>>
  readonly repositories: Readonly<Record<string, RepositoryStats>>
}

export async function readStats({ services, catalog, directory, flights }: Repositories): Promise<Stats> {
  const [usage, condemned, freeBytes] = await Promise.all([
    catalog.usage(),
    catalog.condemnedSum(Number.MAX_SAFE_INTEGER),
    services.blobs.freeBytes?.() ?? null,
  ])
  const repositories: Record<string, RepositoryStats> = {}
  for (const { name, caching } of directory.all()) {
    const { objects = 0, bytes = 0 } = usage.repositories.get(name) ?? {}
    repositories[name] = { objects, bytes, limitBytes: caching.maxBytes }
  }
  const all = [...usage.repositories.values()]
  return {
    objects: all.reduce((sum, each) => sum + each.objects, 0),
    bytes: all.reduce((sum, each) => sum + each.bytes, 0),
    store: {
      blobs: usage.blobs,
      bytes: usage.bytes,
      condemnedBlobs: condemned.blobs,
      condemnedBytes: condemned.bytes,
      limitBytes: services.options.cacheMaxBytes,
      freeBytes,
    },
    flights: flights.count(),
    requests: requestsByOutcome(services.meter.render()),
    repositories,
  }
}

/** The meter's own text is read, so that asking for figures makes no new series. */
function requestsByOutcome(text: string): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const [, outcome = '', count] of text.matchAll(
    /^artifactapi_requests_total\{.*?outcome="(\w+)".*\} (\S+)$/gm,
  )) {
    sums[outcome] = (sums[outcome] ?? 0) + Number(count)
  }
  return sums
}
