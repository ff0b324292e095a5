// An object's bytes as a stream that asks S3 at the first pull. A connection that breaks off, or stands still, is gone
// on with where it stopped, a few times; the stream fails rather than ending early. No ETag is asked for on the way:
// the key names the bytes, and a commit of the same bytes may change their tag.

import { Problem, toProblem } from '../model/problem.ts'
import type { ByteRange } from '../model/range.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import { armDeadline, untilAborted } from './deadline.ts'
import type { S3Objects } from './s3-objects.ts'

const RESUMES = 3
const RESUME_PAUSE_MS = 200
/** How long a body may stand still while somebody waits for it. */
const IDLE_MS = 30_000

/** Runtimes declare readers of their own. */
type BodyReader = ReturnType<typeof readerOf>

export interface S3StreamParts {
  readonly objects: S3Objects
  readonly clock: Clock
  readonly log: Log
}

export function streamObject(
  { objects, clock, log }: S3StreamParts,
  key: string,
  size: number,
  { start, end }: ByteRange,
  action: string,
): ReadableStream<Uint8Array> {
  let reader: BodyReader | null = null
  let exchange = new AbortController()
  let position = start
  let resumes = 0
  let isCancelled = false

  async function openReader(): Promise<BodyReader> {
    exchange = new AbortController()
    const isWhole = position === 0 && end === size - 1
    const answer = await objects.get(key, isWhole ? null : { start: position, end }, exchange.signal)
    if (answer === null) throw new Problem('store-broken', `${action}: it is no longer there`)
    const promised = Number(answer.headers.get('content-length'))
    if (answer.body === null || promised !== end + 1 - position) {
      await answer.body?.cancel().catch(() => {})
      throw new Problem(
        'store-broken',
        `${action}: ${promised} bytes come from byte ${position} on, instead of ${end + 1 - position}`,
      )
    }
    return readerOf(answer.body)
  }

  async function readNext(): Promise<Uint8Array> {
    reader ??= await openReader()
    const disarm = armDeadline(clock, IDLE_MS, () =>
      exchange.abort(new Error(`nothing came for ${IDLE_MS} ms`)),
    )
    try {
      const { done, value } = await untilAborted(reader.read(), exchange.signal)
      if (done) throw new Error(`it ends at ${position}, before byte ${end}`)
      return value.subarray(0, end + 1 - position)
    } finally {
      disarm()
    }
  }

  function letGo(reason: unknown): void {
    // The exchange first: a body that stands still may keep `cancel` waiting.
    exchange.abort(reason)
    reader?.cancel(reason).catch(() => {})
    reader = null
  }

  /** Throws when it is not worth going on. */
  async function recover(error: unknown): Promise<void> {
    letGo(error)
    if (isCancelled) return
    // What S3 itself said was tried often enough; only a body that broke off is gone on with.
    if (error instanceof Problem || resumes >= RESUMES) throw toProblem(error, 'store-broken', action)
    resumes++
    log.warn(`Reading from S3 goes on at byte ${position}`, { key, error })
    await clock.sleep(RESUME_PAUSE_MS * resumes)
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (position > end) return controller.close()
        while (!isCancelled) {
          try {
            const bytes = await readNext()
            position += bytes.byteLength
            resumes = 0
            controller.enqueue(bytes)
            if (position <= end) return
            // Its end has come; it is read so that the connection can be used again.
            await reader?.read().catch(() => {})
            return controller.close()
          } catch (error) {
            await recover(error)
          }
        }
      },
      cancel(reason) {
        isCancelled = true
        letGo(reason)
      },
    },
    { highWaterMark: 0 },
  )
}

function readerOf(body: ReadableStream<Uint8Array>) {
  return body.getReader()
}
