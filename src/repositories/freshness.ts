// How long a copy is good, and what holds a young one back.

import type { ObjectRow, OriginHead } from '../model/object.ts'
import type { RepositorySettings, StatusRange } from '../model/repository.ts'
import type { PathClass } from '../model/target.ts'

const DAY_MS = 86_400_000

/** Epoch ms until which a copy stored or confirmed now is fresh; null = for ever. */
export function freshUntil(settings: RepositorySettings, pathClass: PathClass, now: number): number | null {
  const { immutableTtlSeconds, mutableTtlSeconds } = settings.caching
  if (pathClass === 'mutable') return now + mutableTtlSeconds * 1000
  return immutableTtlSeconds === 0 ? null : now + immutableTtlSeconds * 1000
}

/** When the quarantine of something published then ends; null = it may pass now. Mutable paths are never held back. */
export function withheldUntil(
  settings: RepositorySettings,
  pathClass: PathClass,
  publishedAt: number | null,
  now: number,
): number | null {
  if (settings.quarantine === null || pathClass === 'mutable' || publishedAt === null) return null
  const until = publishedAt + settings.quarantine.days * DAY_MS
  return now < until ? until : null
}

/** `Last-Modified` as a date; null when there is none that can be read. */
export function publishedAtOf(head: OriginHead): number | null {
  const at = head.lastModified === null ? Number.NaN : Date.parse(head.lastModified)
  return Number.isNaN(at) ? null : at
}

export function coversStatus(ranges: readonly StatusRange[], status: number): boolean {
  return ranges.some(range => range.from <= status && status <= range.to)
}

/** Headers that ask the origin for the body only if it changed; empty when it never told a validator. */
export function validatorsOf(row: ObjectRow): Record<string, string> {
  const headers: Record<string, string> = {}
  if (row.etag !== null) headers['if-none-match'] = row.etag
  if (row.lastModified !== null) headers['if-modified-since'] = row.lastModified
  return headers
}

/** A 200 to a conditional HEAD that names the validators we have means the same bytes. */
export function isUnchanged(row: ObjectRow, head: OriginHead): boolean {
  if (head.etag !== null || row.etag !== null) return head.etag !== null && head.etag === row.etag
  if (head.lastModified === null || head.lastModified !== row.lastModified) return false
  return head.size === null || head.size === row.size
}
