// Immutable bytes named by their sha256. A blob is visible only when it is whole.

import type { Algorithm, Digest } from '../model/digest.ts'
import type { ByteRange } from '../model/range.ts'

export interface BlobStore {
  /**
   * The blob, or null when it is not there or its size on disk is not `size` (then it is damaged, and the
   * caller forgets it). Opens nothing yet: bytes are read when `stream` is called.
   */
  open(sha256: string, size?: number): Promise<StoredBlob | null>

  /** A place to write a body to. Throws `store-full` when it can be known beforehand that the body does not fit. */
  stage(options?: StageOptions): Promise<Stage>
  /**
   * Goes on with a suspended one at its `offset`, with the options it was staged with; null when there is none, or
   * another one took it. What was written is hashed again, so it costs a read of it.
   */
  resume(id: string): Promise<Stage | null>

  /**
   * Removes a blob; removing what is not there is no error. With `unlessCommittedSince` (epoch ms) a blob that
   * was committed again after that moment stays. Says whether a blob was removed; one that another program put there
   * counts as removed, and stays.
   */
  remove(sha256: string, unlessCommittedSince?: number): Promise<boolean>

  /** All blobs, a page at a time, in any order. */
  list(cursor?: string): Promise<BlobPage>

  /**
   * Drops staged bytes that no living process owns and that were last written before `before` (epoch ms). Says how
   * many. Where nobody can tell which process lives, one that wrote nothing for a day does not; what is suspended has
   * no owner, and goes by `before` alone.
   */
  sweep(before: number): Promise<number>

  /**
   * Where the store can: an address from which anyone may fetch the blob for `ttlSeconds`, answered with the headers
   * given. It does not look whether the blob is there.
   */
  link?(sha256: string, ttlSeconds: number, headers: LinkHeaders): Promise<string>

  /** Free bytes, where the store can tell. */
  freeBytes?(): Promise<number>
}

export interface StoredBlob {
  readonly sha256: string
  readonly size: number
  /** Where the bytes lie on a local disk, for zero-copy answers. */
  readonly path?: string
  /** The bytes, when they are in memory already. */
  readonly bytes?: Uint8Array<ArrayBuffer>
  /** Fails, rather than ending early, when the bytes are no longer there or fewer than promised. */
  stream(range?: ByteRange): ReadableStream<Uint8Array>
}

export interface LinkHeaders {
  readonly contentType: string
  readonly contentDisposition: string
}

export interface StageOptions {
  /** Digests the bytes must have; `commit` refuses others. */
  readonly expected?: readonly Digest[]
  /** Further digests that `commit` shall tell. */
  readonly also?: readonly Algorithm[]
  /** The size the body will have, where it is known. */
  readonly size?: number
  /**
   * It will probably be thrown away: what it takes stays on this machine until `commit`, where the store has a place
   * for it here. Throws `store-full` when that has no room.
   */
  readonly isScratch?: boolean
}

/** One writer at a time; every call awaited before the next. After `commit`, `suspend` or `discard` it is spent. */
export interface Stage {
  readonly id: string
  /** Bytes written so far. */
  readonly offset: number
  /**
   * Takes the chunk over; the caller does not touch it again. Throws `store-full` or `store-broken`; of what was taken
   * before, at most the last 2 MiB can then no longer be read back.
   */
  write(chunk: Uint8Array): Promise<void>
  /**
   * Makes the bytes a blob, durably, and tells its digests. Throws `digest-mismatch` when an expected digest
   * differs (the bytes are gone then). Committing what exists already is no error, and saves it from a removal under way.
   * `announce` is awaited when the digests are known and before the blob becomes visible, so that whoever keeps the
   * books can write it down first; when it fails, nothing is committed.
   */
  commit(announce?: (facts: Committed) => Promise<void>): Promise<Committed>
  /**
   * Keeps what was written for `resume(id)`, also in another process. A store that sends a body whose sha256 and size
   * were told straight to its place may be unable to: then it throws `store-broken`, and the bytes are gone.
   */
  suspend(): Promise<void>
  /** Throws the bytes away. Twice is once. */
  discard(): Promise<void>
  /**
   * Where the store can: reads back `[offset, offset + limit)` of what was written so far, while writing goes on and
   * after `commit`. An empty result means nothing is there yet. Absent: the store cannot, or
   * can no longer; what comes after that can be read from the blob once it is committed.
   */
  read?(offset: number, limit: number): Promise<Uint8Array>
  /**
   * Ends reading, and frees what `read` held open. Whoever staged calls it once, when nobody reads any more; after a
   * `commit` it is due even if nothing was read. `discard`, `suspend` and a failed `commit` end reading by themselves.
   */
  close?(): Promise<void>
}

export interface Committed {
  readonly sha256: string
  readonly size: number
  readonly digests: readonly Digest[]
}

export interface BlobPage {
  readonly blobs: readonly { readonly sha256: string; readonly size: number; readonly committedAt: number }[]
  readonly cursor: string | null
}
