// Two sources of the same bytes as one stream: where the first fails, the second goes on.

import type { ByteRange } from '../../src/model/range.ts'

export function streamInTurn(
  { start, end }: ByteRange,
  first: ReadableStream<Uint8Array>,
  goOn: (rest: ByteRange, failure: unknown) => Promise<ReadableStream<Uint8Array> | null>,
): ReadableStream<Uint8Array> {
  let reader = first.getReader()
  let position = start
  let isSecond = false

  async function read(): Promise<Uint8Array | null> {
    try {
      const { done, value } = await reader.read()
      return done ? null : value
    } catch (failure) {
      if (isSecond) throw failure
      isSecond = true
      const second = await goOn({ start: position, end }, failure)
      if (second === null) throw failure
      reader = second.getReader()
      return read()
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const chunk = await read()
        if (chunk === null) return controller.close()
        position += chunk.byteLength
        controller.enqueue(chunk)
      },
      cancel: reason => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
