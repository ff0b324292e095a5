// One pass: from the origin to the store and to everyone who reads, hashed on the way. The last chunk is held back
// until length and digest are right and the blob is kept; a broken origin is resumed where that is safe, and what
// cannot be completed is failed, never ended.

import type { Digest } from '../model/digest.ts'
import type { OriginHead } from '../model/object.ts'
import { Problem, toProblem } from '../model/problem.ts'
import type { Committed, Stage } from '../ports/blob-store.ts'
import type { Clock } from '../ports/clock.ts'
import type { GrowingBody } from '../streams/growing.ts'

/** Recent bytes in memory per download; more than a store may lose of what it took when it fails (see `Stage.write`). */
export const RING_BYTES = 3 * 1024 * 1024
const PATIENCE_MS = 2_000
const RESUMES = 3

/** Opens a body that broke off with `problem` again from `offset`; null when that is not safe. */
export type Resume = (offset: number, problem: Problem) => Promise<ReadableStream<Uint8Array> | null>

export interface Download {
  readonly name: string
  readonly head: OriginHead
  readonly body: ReadableStream<Uint8Array>
  readonly growing: GrowingBody
  readonly expected: readonly Digest[]
  readonly clock: Clock
  readonly resume: Resume
  /** Asked at the end: false when somebody else keeps it. */
  readonly isOurs: () => boolean
  readonly announce: (facts: Committed) => Promise<void>
  /** The store failed: nothing more can be kept. A stage to go on with, for the hashes alone. */
  readonly onStoreFault: (problem: Problem) => void
}

/** Tells what was kept; null when the body was passed through only. Throws when it could not be completed. */
export async function download(
  parts: Download,
  stage: Stage | null,
  unkept: Stage,
): Promise<Committed | null> {
  const pump = new Pump(parts, stage, unkept)
  try {
    await pump.run()
    return parts.isOurs() ? await pump.commit() : null
  } catch (error) {
    await stage?.discard()
    throw error
  }
}

class Pump {
  readonly #parts: Download
  readonly #unkept: Stage
  #stage: Stage | null
  #received = 0
  #attempts = 0

  constructor(parts: Download, stage: Stage | null, unkept: Stage) {
    this.#parts = parts
    this.#stage = stage
    this.#unkept = unkept
  }

  async run(): Promise<void> {
    let body: ReadableStream<Uint8Array> | null = this.#parts.body
    while (body !== null) body = await this.#drain(body)
    const { head, name } = this.#parts
    if (head.size !== null && this.#received !== head.size) {
      throw new Problem(
        'upstream-broken',
        `Cannot keep ${name}: ${this.#received} of ${head.size} bytes came`,
      )
    }
  }

  async commit(): Promise<Committed | null> {
    const { expected, onStoreFault, announce } = this.#parts
    if (this.#stage === null) {
      await this.#unkept.commit()
      return null
    }
    try {
      return await this.#stage.commit(announce)
    } catch (error) {
      const problem = toProblem(error, 'store-broken', `Cannot keep ${this.#parts.name}`)
      if (problem.code === 'digest-mismatch' || expected.length > 0) throw problem
      onStoreFault(problem)
      return null
    }
  }

  /** Reads one body to its end; the next one to go on with, or null when all is there. */
  async #drain(body: ReadableStream<Uint8Array>): Promise<ReadableStream<Uint8Array> | null> {
    const reader = body.getReader()
    try {
      for (;;) {
        const { done, value } = await reader.read().catch(error => {
          throw toProblem(error, 'upstream-broken', `Cannot read ${this.#parts.name} from its origin`)
        })
        if (done) return null
        await this.#take(value)
      }
    } catch (error) {
      await reader.cancel().catch(() => {})
      if (!(error instanceof Problem) || !error.isUnreachable || this.#attempts >= RESUMES) throw error
      this.#attempts++
      const next = await this.#parts.resume(this.#received, error)
      if (next === null) throw error
      return next
    }
  }

  async #take(chunk: Uint8Array): Promise<void> {
    if (chunk.byteLength === 0) return
    const { head, growing, name } = this.#parts
    if (head.size !== null && this.#received + chunk.byteLength > head.size) {
      // Not `upstream-broken`: going on would bring more of the same.
      throw new Problem('upstream-status', `Cannot keep ${name}: more than its ${head.size} bytes came`)
    }
    await this.#store(chunk)
    const before = this.#received
    this.#received += chunk.byteLength
    this.#attempts = 0
    // Of a body of unknown length any byte may be the last: one is held back. Else the last chunk is.
    const visible =
      head.size === null ? this.#received - 1 : this.#received === head.size ? before : this.#received
    growing.publish(chunk, visible)
    if (this.#stage?.read === undefined) await this.#letReadersFollow()
  }

  async #store(chunk: Uint8Array): Promise<void> {
    const { expected, growing, onStoreFault, name } = this.#parts
    if (this.#stage === null) return this.#unkept.write(chunk)
    try {
      await this.#stage.write(chunk)
    } catch (error) {
      const problem = toProblem(error, 'store-broken', `Cannot keep ${name}`)
      onStoreFault(problem)
      // The digest of what went before is in the stage: without it nothing wrong could be told from right.
      if (expected.length > 0) throw problem
      // What was staged can still be read back; it is thrown away with its last reader.
      growing.stopStaging()
      this.#stage = null
    }
  }

  /** Where older bytes cannot be read back, readers that fall behind are waited for, a moment, and then let go. */
  async #letReadersFollow(): Promise<void> {
    const { growing, clock, name } = this.#parts
    if (this.#stage === null && growing.readers === 0 && this.#received > RING_BYTES / 2) {
      const gone = new AbortController()
      await Promise.race([growing.joined(), clock.sleep(PATIENCE_MS, gone.signal)])
      gone.abort()
      if (growing.readers === 0)
        throw new Problem('cancelled', `Cannot pass ${name} on: everyone left, and it is not kept`)
    }
    if (growing.lag <= RING_BYTES / 2) return
    const enough = new AbortController()
    const patience = clock.sleep(PATIENCE_MS, enough.signal).then(() => 'enough' as const)
    while (growing.lag > RING_BYTES / 2) {
      if ((await Promise.race([growing.progress(), patience])) === 'enough') {
        growing.leaveBehind(RING_BYTES / 2)
        break
      }
    }
    enough.abort()
  }
}
