// What all kinds of repositories share: the questions they answer, and the shape of their answers before they are HTTP.

import type { Format } from '../formats/format.ts'
import type { ObjectRow, OriginHead } from '../model/object.ts'
import type { Problem } from '../model/problem.ts'
import type { RepositorySettings } from '../model/repository.ts'
import type { Change, Target } from '../model/target.ts'
import type { StoredBlob } from '../ports/blob-store.ts'
import type { FlightView } from '../ports/flights.ts'

export interface Repository {
  readonly settings: RepositorySettings
  readonly format: Format
  /** With `isHead` nothing is filled: facts if known, else the origin's word. */
  read(target: Target, isHead: boolean): Promise<Outcome>
  /** Kinds that take uploads. */
  put?(change: Change, upload: Upload): Promise<PutResult>
  delete?(change: Change): Promise<boolean>
}

export interface Upload {
  readonly body: ReadableStream<Uint8Array> | null
  readonly headers: Headers
}

export interface PutResult {
  readonly row: ObjectRow
  readonly isNew: boolean
}

/** How a request was satisfied; the `outcome` label of the metrics. */
export type CacheOutcome =
  | 'hit'
  | 'miss'
  | 'stale'
  | 'revalidated'
  | 'collapsed'
  | 'negative'
  | 'denied'
  | 'bypass'

/** The answer of a repository. Bodies are lazy: HEAD and 304 touch no bytes. */
export type Outcome =
  /** Kept bytes. */
  | {
      readonly kind: 'stored'
      readonly how: CacheOutcome
      readonly row: ObjectRow
      readonly blob: StoredBlob
    }
  /** Bytes on their way. */
  | {
      readonly kind: 'flying'
      readonly how: CacheOutcome
      readonly target: Target
      readonly head: OriginHead
      readonly flight: FlightView
      readonly isKept: boolean
    }
  /** The origin's word on an object that is not kept, for HEAD. */
  | { readonly kind: 'told'; readonly how: CacheOutcome; readonly target: Target; readonly head: OriginHead }
  | {
      readonly kind: 'refused'
      readonly how: CacheOutcome
      readonly problem: Problem
      readonly headers?: Readonly<Record<string, string>>
    }

export function isChange(meaning: Target | Change): meaning is Change {
  return meaning.kind === 'put' || meaning.kind === 'delete'
}
