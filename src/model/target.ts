// What a request means, in the words of its format. The one value in which formats and kinds meet:
// plain data, because it crosses into Durable Objects and to other replicas.

import type { Digest } from './digest.ts'

/** Whether a path's bytes may change behind it. */
export type PathClass = 'mutable' | 'immutable'

export interface Target {
  /** `file`: bytes as they are, streamed. */
  readonly kind: 'file'
  /** Catalog path: the canonical path, and whatever variant of it the format tells apart (a query). */
  readonly key: string
  /** Canonical path, what patterns are searched in. */
  readonly path: string
  /** The path at the origin relative to its base URL, raw as the client sent it, with its query. */
  readonly originPath: string
  /** The format's own class for this path; the repository's patterns may force another. */
  readonly defaultClass: PathClass
  /** File name for `Content-Disposition`. */
  readonly fileName: string
  readonly expected?: readonly Digest[]
}

/** What an upload or a deletion means. */
export interface Change {
  readonly kind: 'put' | 'delete'
  readonly key: string
  readonly path: string
  readonly fileName: string
}
