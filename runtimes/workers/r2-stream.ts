// An object's bytes as a stream that asks R2 at the first pull and fails rather than ending early.

import { Problem, toProblem } from '../../src/model/problem.ts'
import type { ByteRange } from '../../src/model/range.ts'
import type { R2BucketLike } from './r2-bucket.ts'
import { type PieceReader, readWide } from './wide-reads.ts'

export function streamObject(
  bucket: R2BucketLike,
  key: string,
  { start, end }: ByteRange,
  action: string,
): ReadableStream<Uint8Array> {
  let reader: PieceReader | null = null
  let position = start

  async function openReader(): Promise<PieceReader> {
    const object = await bucket.get(key, { range: { offset: start, length: end + 1 - start } })
    if (object === null) throw new Problem('store-broken', `${action}: it is no longer there`)
    return readWide(object.body, 'whole')
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (position > end) return controller.close()
        try {
          reader ??= await openReader()
          const { value, done } = await reader.read()
          if (done || value === undefined)
            throw new Problem('store-broken', `${action}: it ends at ${position}, before byte ${end}`)
          position += value.byteLength
          controller.enqueue(value)
          if (position > end) controller.close()
        } catch (error) {
          throw toProblem(error, 'store-broken', action)
        }
      },
      async cancel(reason) {
        await reader?.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
}
