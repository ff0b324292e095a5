// A body that is in memory already, as a stream. Copies as it goes: who reads a stream may do with its chunks
// what it likes.

import type { ByteRange } from '../model/range.ts'

const CHUNK_BYTES = 256 * 1024

export function streamBytes(bytes: Uint8Array, range?: ByteRange): ReadableStream<Uint8Array> {
  const end = range === undefined ? bytes.byteLength : range.end + 1
  let position = range?.start ?? 0
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const next = Math.min(end, position + CHUNK_BYTES)
        if (next > position) controller.enqueue(bytes.slice(position, next))
        position = next
        if (position >= end) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}
