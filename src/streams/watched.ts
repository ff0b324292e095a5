// Sees how a stream ends, and how many bytes went, without touching them.

export interface Ending {
  readonly bytes: number
  /** It broke, or its reader left, before the end. */
  readonly isCut: boolean
}

export function watched(
  body: ReadableStream<Uint8Array>,
  onEnd: (ending: Ending) => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  let bytes = 0
  let hasEnded = false
  const end = (isCut: boolean) => {
    if (!hasEnded) onEnd({ bytes, isCut })
    hasEnded = true
  }
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read()
          if (done) {
            end(false)
            controller.close()
            return
          }
          bytes += value.byteLength
          controller.enqueue(value)
        } catch (error) {
          end(true)
          controller.error(error)
        }
      },
      async cancel(reason) {
        end(true)
        await reader.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
}
