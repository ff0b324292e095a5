// Bodies on servers that take bytes and streams and keep the Content-Length of both: Node, Deno, and Bun's `node:http`.

import type { Delivery } from '../../src/ports/delivery.ts'

export function createStreamDelivery(): Delivery {
  return {
    streamsKeepLength: true,
    blob(blob, range) {
      if (blob.bytes === undefined) return blob.stream(range ?? undefined)
      return range === null ? blob.bytes : blob.bytes.subarray(range.start, range.end + 1)
    },
    stream: stream => stream,
    reusable: ({ bytes }) => (bytes === undefined ? null : { body: bytes, isWhole: () => true }),
  }
}
