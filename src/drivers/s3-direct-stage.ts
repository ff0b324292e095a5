// One body on its way into S3 whose digest and size were told beforehand: it is streamed straight to its place, under
// a signature of its digest, so S3 itself refuses whatever differs. Its last chunk waits for the commit, and without
// it there is nothing to be seen. Such a stage cannot be suspended: what was sent cannot be had back.

import { Problem, toProblem } from '../model/problem.ts'
import type { Stage } from '../ports/blob-store.ts'
import type { Clock } from '../ports/clock.ts'
import { createBodyPipe } from './body-pipe.ts'
import { armDeadline } from './deadline.ts'
import { type S3Keeping, STREAMED } from './s3-keeping.ts'
import { blobKey } from './s3-keys.ts'
import type { S3Objects } from './s3-objects.ts'
import type { ServerTime } from './server-time.ts'
import { createStageLife } from './stage-life.ts'
import type { StagedDigests } from './staged-digests.ts'

/** How long S3 may let a chunk wait, or its answer. */
const IDLE_MS = 30_000

export interface S3DirectParts {
  readonly id: string
  readonly sha256: string
  readonly size: number
  readonly digests: StagedDigests
  readonly objects: S3Objects
  readonly keeping: S3Keeping
  readonly time: ServerTime
  readonly clock: Clock
  /** It is there, put by another program: nothing is sent. */
  readonly isForeign: boolean
}

export function createS3DirectStage(given: S3DirectParts): Stage {
  const { id, sha256, size, digests, objects, keeping, time, clock, isForeign } = given
  const life = createStageLife(id)
  const gone = new AbortController()
  const pipe = createBodyPipe()
  let sending: Promise<void> | null = null
  let held: Uint8Array | null = null
  let offset = 0

  function send(): Promise<void> {
    const options = { size, sha256, mark: STREAMED, signal: gone.signal }
    const sent = objects.putStream(blobKey(sha256), pipe.stream, options)
    sent.catch(error => pipe.fail(error))
    return sent
  }

  async function patiently<T>(work: Promise<T>): Promise<T> {
    const disarm = armDeadline(clock, IDLE_MS, () => {
      const stalled = new Problem(
        'store-broken',
        `Cannot write stage ${id}: S3 takes nothing for ${IDLE_MS} ms`,
      )
      gone.abort(stalled)
      pipe.fail(stalled)
    })
    try {
      return await work
    } finally {
      disarm()
    }
  }

  async function passHeld(): Promise<void> {
    if (held === null || isForeign) return
    sending ??= send()
    try {
      await patiently(pipe.push(held))
    } catch (error) {
      // The request knows better why it takes no more.
      await sending
      throw error
    }
    held = null
  }

  async function drop(): Promise<void> {
    held = null
    gone.abort(new Error('the body is thrown away'))
    pipe.fail(new Error('the body is thrown away'))
    await sending?.catch(() => {})
  }

  async function keep(): Promise<void> {
    if (isForeign) return
    const at = time.now()
    await passHeld()
    pipe.end()
    await patiently(sending ?? Promise.resolve())
    await keeping.settle(sha256, size, at)
  }

  return {
    id,
    get offset() {
      return offset
    },
    async write(chunk) {
      life.refuseSpent('write to')
      if (chunk.byteLength === 0) return
      digests.update(chunk)
      offset += chunk.byteLength
      if (offset > size) throw wrongLength(id, offset, size)
      try {
        await passHeld()
        held = chunk
      } catch (error) {
        throw toProblem(error, 'store-broken', `Cannot write stage ${id}`)
      }
    },
    async commit(announce) {
      life.spend('commit')
      try {
        const committed = digests.finish(offset)
        if (offset !== size) throw wrongLength(id, offset, size)
        await announce?.(committed)
        await keep()
        return committed
      } catch (error) {
        await drop()
        throw toProblem(error, 'store-broken', `Cannot commit stage ${id}`)
      }
    },
    async suspend() {
      life.spend('suspend')
      await drop()
      throw new Problem(
        'store-broken',
        `Cannot suspend stage ${id}: what went straight to S3 cannot be had back`,
      )
    },
    async discard() {
      if (life.isSpent) return
      life.spend('discard')
      await drop()
    },
  }
}

function wrongLength(id: string, offset: number, size: number): Problem {
  return new Problem('length-mismatch', `Cannot write stage ${id}: it has ${offset} bytes, ${size} were told`)
}
