// A file's bytes as a stream that opens at the first pull and closes at the end, on cancel and on error.
// It fails rather than ending early: a client must never take half a body for a whole one.

import { Problem } from '../../src/model/problem.ts'
import type { ByteRange } from '../../src/model/range.ts'
import { closeFile, openFile, rawBytes, readFully, storeProblem } from './raw-files.ts'

const READ_BYTES = 256 * 1024

export function streamFile(
  path: string,
  { start, end }: ByteRange,
  action: string,
): ReadableStream<Uint8Array> {
  let fd: number | null = null
  let position = start
  let isPulling = false
  let isCancelled = false

  async function release(): Promise<void> {
    const open = fd
    fd = null
    if (open !== null) await closeFile(open)
  }

  async function readNext(): Promise<Uint8Array> {
    fd ??= await openFile(path, 'r')
    const bytes = rawBytes(Math.min(READ_BYTES, end + 1 - position))
    const count = await readFully(fd, bytes, position)
    if (count < bytes.byteLength) {
      throw new Problem('store-broken', `${action}: it ends at ${position + count}, before byte ${end}`)
    }
    return bytes
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (position > end) return controller.close()
        isPulling = true
        try {
          const bytes = await readNext()
          position += bytes.byteLength
          if (isCancelled || position > end) await release()
          if (isCancelled) return
          controller.enqueue(bytes)
          if (position > end) controller.close()
        } catch (error) {
          await release().catch(() => {})
          throw storeProblem(error, action)
        } finally {
          isPulling = false
        }
      },
      async cancel() {
        isCancelled = true
        // A read under way still uses the file; it closes it.
        if (!isPulling) await release()
      },
    },
    { highWaterMark: 0 },
  )
}
