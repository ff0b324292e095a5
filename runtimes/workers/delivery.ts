// Bodies on Workers: a stream keeps its Content-Length only as a FixedLengthStream, which also makes an answer that
// breaks off visible to the client.

import type { Delivery } from '../../src/ports/delivery.ts'

export function createWorkersDelivery(): Delivery {
  return {
    streamsKeepLength: true,
    blob(blob, range) {
      if (blob.bytes !== undefined) {
        return range === null ? blob.bytes : blob.bytes.subarray(range.start, range.end + 1)
      }
      const size = range === null ? blob.size : range.end - range.start + 1
      return withLength(blob.stream(range ?? undefined), size)
    },
    stream: (stream, size) => (size === null ? stream : withLength(stream, size)),
    // A body of one request may not be used by another here, unless it is bytes.
    reusable: ({ bytes }) => (bytes === undefined ? null : { body: bytes, isWhole: () => true }),
  }
}

function withLength(stream: ReadableStream<Uint8Array>, size: number): ReadableStream<Uint8Array> {
  const fixed = new FixedLengthStream(size)
  // A failure of either side reaches the other through the pipe; there is nobody else to tell.
  stream.pipeTo(fixed.writable).catch(() => {})
  return fixed.readable
}
