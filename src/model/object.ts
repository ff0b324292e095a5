// What the catalog knows about an object: one row per repository and key.

import type { PathClass } from './target.ts'

/** What the origin said about a body, and what is kept of it. */
export interface OriginHead {
  /** Null when the origin did not tell. */
  readonly size: number | null
  readonly contentType: string | null
  readonly contentEncoding: string | null
  /** As sent, with quotes (and `W/`). */
  readonly etag: string | null
  /** As sent. */
  readonly lastModified: string | null
}

export interface ObjectRow extends OriginHead {
  readonly repository: string
  readonly key: string
  readonly path: string
  readonly fileName: string
  readonly pathClass: PathClass
  readonly sha256: string
  readonly size: number
  /** Epoch ms: when the bytes were stored. */
  readonly storedAt: number
  /** Epoch ms: when the origin last confirmed them (or could not be asked). For `Age`. */
  readonly checkedAt: number
  /** Epoch ms; null = for ever. */
  readonly freshUntil: number | null
  /** Epoch ms, null = unknown. */
  readonly publishedAt: number | null
  readonly isPinned: boolean
}

export function isFresh(row: ObjectRow, now: number): boolean {
  return row.freshUntil === null || now < row.freshUntil
}
