// How a runtime turns bytes into the body of an answer at the least cost it knows.

import type { ByteRange } from '../model/range.ts'
import type { StoredBlob } from './blob-store.ts'

/** Whatever this runtime makes an answer of; each has a type of its own for it. */
export type AnswerBody = NonNullable<ConstructorParameters<typeof Response>[0]>

export interface Delivery {
  /** False where a streamed body loses its Content-Length (Bun): then short misses wait for their end. */
  readonly streamsKeepLength: boolean
  /** Zero-copy where the blob lies on a disk. */
  blob(blob: StoredBlob, range: ByteRange | null): AnswerBody
  /** A stream whose size is known, or not. */
  stream(stream: ReadableStream<Uint8Array>, size: number | null): AnswerBody
  /** A whole body that any number of answers may share, made without waiting; null where this blob has none. */
  reusable(blob: StoredBlob): ReusableBody | null
}

export interface ReusableBody {
  readonly body: AnswerBody
  /** False when the file behind it is gone or has another size than it had; true at once for bytes in memory. */
  isWhole(): boolean
}
