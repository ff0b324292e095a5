// How a runtime turns bytes into the body of an answer at the least cost it knows.

import type { ByteRange } from '../model/range.ts'
import type { StoredBlob } from './blob-store.ts'

export interface Delivery {
  /** False where a streamed body loses its Content-Length (Bun): then short misses wait for their end. */
  readonly streamsKeepLength: boolean
  /** Zero-copy where the blob lies on a disk. */
  blob(blob: StoredBlob, range: ByteRange | null): BodyInit
  /** A stream whose size is known, or not. */
  stream(stream: ReadableStream<Uint8Array>, size: number | null): BodyInit
  /** A whole body that any number of answers may share, made without waiting; null where this blob has none. */
  reusable(blob: StoredBlob): BodyInit | null
}
