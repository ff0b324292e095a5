// Bodies of the platform, read in large pieces: its plain readers give 4 KiB at a time, and a piece of 64 KiB costs
// hardly more of a Worker's CPU time than one of 4.

const PIECE_BYTES = 64 * 1024

export interface PieceReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array }>
  cancel(reason?: unknown): Promise<void>
}

/** `min` is of the Streams standard, and missing in the platform's types. */
interface BytesReader {
  read(
    view: Uint8Array<ArrayBuffer>,
    options: { min: number },
  ): Promise<{ done: boolean; value?: Uint8Array }>
  cancel(reason?: unknown): Promise<void>
}

/** `whole`: full pieces, however long they take. `ready`: whatever is there, at most a piece. */
export function readWide(body: ReadableStream<Uint8Array>, pieces: 'whole' | 'ready'): PieceReader {
  let reader: BytesReader
  try {
    reader = body.getReader({ mode: 'byob' })
  } catch {
    return body.getReader() // not a stream of bytes, so it has pieces of its own
  }
  const min = pieces === 'whole' ? PIECE_BYTES : 1
  return {
    read: () => reader.read(new Uint8Array(PIECE_BYTES), { min }),
    cancel: reason => reader.cancel(reason),
  }
}

/** The same body in larger pieces, none of which waits for more; it is read when it is pulled. */
export function widen(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = readWide(body, 'ready')
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read()
        if (done || value === undefined) controller.close()
        else controller.enqueue(value)
      },
      cancel: reason => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
