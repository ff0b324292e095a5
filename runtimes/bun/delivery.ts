// Bodies on Bun: a file goes out by sendfile with its length, bytes as a Blob that any number of answers share.
// A streamed body loses its Content-Length under Bun.serve, whatever kind of stream it is.

import { statSync } from 'node:fs'
import type { Delivery } from '../../src/ports/delivery.ts'

export function createBunDelivery(): Delivery {
  return {
    streamsKeepLength: false,
    blob(blob, range) {
      if (blob.bytes !== undefined) {
        return range === null ? new Blob([blob.bytes]) : blob.bytes.subarray(range.start, range.end + 1)
      }
      if (blob.path === undefined) return blob.stream(range ?? undefined)
      const file = Bun.file(blob.path)
      return range === null ? file : file.slice(range.start, range.end + 1)
    },
    stream: stream => stream,
    reusable({ bytes, path, size }) {
      if (bytes !== undefined) return { body: new Blob([bytes]), isWhole: () => true }
      if (path === undefined) return null
      return { body: Bun.file(path), isWhole: () => sizeOf(path) === size }
    },
  }
}

function sizeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.size ?? null
}
