// A body that many read while it grows. The writer publishes chunks; every reader has a position of its own and
// pulls from the ring of recent chunks, else from what was staged, else from the kept blob. Nobody waits for anybody,
// except where nothing is staged: there the writer waits a moment for readers that fall behind, then lets them go.

import { Problem } from '../model/problem.ts'
import type { StoredBlob } from '../ports/blob-store.ts'

/** Staged bytes are read back in blocks, which readers that are near each other share. */
const BLOCK_BYTES = 256 * 1024
const BLOCKS = 16

export interface GrowingOptions {
  /** Recent bytes that are kept in memory. Everything older must be readable by `readBack`, or is lost to slow readers. */
  readonly ringBytes: number
  /** Reads staged bytes; absent where the store cannot. */
  readonly readBack?: (offset: number, limit: number) => Promise<Uint8Array>
  /** It will be kept when it is whole: whoever comes late may wait for that. */
  readonly willBeKept?: boolean
  /** Called once: ended, failed or abandoned, and nobody reads any more. */
  readonly onIdle?: () => void
}

interface Reader {
  position: number
  isLost: boolean
}

export class GrowingBody {
  readonly #options: GrowingOptions
  readonly #readers = new Set<Reader>()
  readonly #blocks = new Map<number, Promise<Uint8Array>>()
  #ring: Uint8Array[] = []
  #ringStart = 0
  #end = 0
  #visible = 0
  #readBackEnd = Number.POSITIVE_INFINITY
  #kept: StoredBlob | null = null
  #state: 'growing' | 'ended' | 'failed' = 'growing'
  #failure: unknown = null
  #forGrowth: (() => void)[] = []
  #forProgress: (() => void)[] = []
  #forReaders: (() => void)[] = []
  #isIdle = false

  constructor(options: GrowingOptions) {
    this.#options = options
  }

  /** Bytes a reader can have at once. */
  get visible(): number {
    return this.#visible
  }

  get readers(): number {
    return this.#readers.size
  }

  /** Adds a chunk; readers see the body up to `visible` of all bytes so far. */
  publish(chunk: Uint8Array, visible: number): void {
    this.#ring.push(chunk)
    this.#end += chunk.byteLength
    this.#visible = visible
    while (this.#end - this.#ringStart > this.#options.ringBytes && this.#ring.length > 1) {
      this.#ringStart += this.#ring.shift()?.byteLength ?? 0
    }
    wake(this.#forGrowth)
  }

  /** All bytes are there and right; from `kept` they can be read for good. */
  end(kept: StoredBlob | null): void {
    this.#kept = kept
    this.#visible = this.#end
    this.#state = 'ended'
    this.#settle()
  }

  fail(reason: unknown): void {
    this.#failure = reason
    this.#state = 'failed'
    this.#settle()
  }

  /** From here on nothing more is staged: what the ring holds now may not be readable back later. */
  stopStaging(): void {
    this.#readBackEnd = Math.min(this.#readBackEnd, this.#ringStart)
  }

  /** True when a byte at `offset` can be had, now or later. */
  canRead(offset: number): boolean {
    if (offset >= this.#ringStart || this.#kept !== null) return true
    const isUnbroken = this.#ringStart <= this.#readBackEnd
    const isStaged = this.#state === 'growing' && this.#readBackEnd === Number.POSITIVE_INFINITY
    return (isUnbroken && this.#canReadBack(offset)) || (isStaged && this.#options.willBeKept === true)
  }

  /** The slowest reader that depends on the ring, as bytes behind; 0 when nobody does. */
  get lag(): number {
    let lag = 0
    const isStaged = this.#readBackEnd === Number.POSITIVE_INFINITY
    for (const reader of this.#readers) {
      // Who still reads what was staged before comes to the ring later, and needs it where staging has stopped.
      if (!reader.isLost && !(isStaged && this.#canReadBack(reader.position)))
        lag = Math.max(lag, this.#visible - reader.position)
    }
    return lag
  }

  /** Resolves when a reader moved on, or the body ended. */
  progress(): Promise<void> {
    return new Promise(resolve => this.#forProgress.push(resolve))
  }

  /** Resolves when a reader comes. */
  joined(): Promise<void> {
    return new Promise(resolve => this.#forReaders.push(resolve))
  }

  /** Readers this far behind are no longer waited for: they go on when the body is kept, or fail. */
  leaveBehind(bytes: number): void {
    for (const reader of this.#readers) {
      if (this.#visible - reader.position > bytes) reader.isLost = true
    }
  }

  /** The body from `start` to `end` inclusive (to its end when absent). */
  stream(start = 0, end = Number.POSITIVE_INFINITY): ReadableStream<Uint8Array> {
    // Who comes too late for the ring, and has nothing else to read from, waits for the end: nobody waits for him.
    const isLost = start < this.#ringStart && !this.#canReadBack(start)
    const reader: Reader = { position: start, isLost }
    this.#readers.add(reader)
    wake(this.#forReaders)
    const leave = () => {
      if (this.#readers.delete(reader)) wake(this.#forProgress)
      this.#rest()
    }
    return new ReadableStream<Uint8Array>(
      {
        pull: async controller => {
          try {
            const chunk = await this.#next(reader, end)
            if (chunk !== null) {
              reader.position += chunk.byteLength
              wake(this.#forProgress)
              controller.enqueue(chunk)
            }
            if (chunk === null || reader.position > end) {
              leave()
              controller.close()
            }
          } catch (error) {
            leave()
            controller.error(error)
          }
        },
        cancel: leave,
      },
      { highWaterMark: 0 },
    )
  }

  /** The next bytes for a reader; null at the end. */
  async #next(reader: Reader, end: number): Promise<Uint8Array | null> {
    for (;;) {
      const { position } = reader
      if (position > end) return null
      const limit = Math.min(this.#visible, end + 1)
      if (this.#isIdle && this.#state === 'failed') throw this.#failure
      if (position < limit && position >= this.#ringStart) return this.#fromRing(position, limit)
      if (position < limit) {
        const chunk = await this.#fromBehind(position, limit)
        if (chunk !== null) return chunk
      } else if (this.#state === 'ended') {
        return null
      }
      if (this.#state === 'failed') throw this.#failure
      if (this.#state === 'growing') await new Promise<void>(resolve => this.#forGrowth.push(resolve))
    }
  }

  #fromRing(position: number, limit: number): Uint8Array {
    let offset = this.#ringStart
    for (const chunk of this.#ring) {
      const next = offset + chunk.byteLength
      if (position < next) {
        return chunk.subarray(position - offset, Math.min(chunk.byteLength, limit - offset))
      }
      offset = next
    }
    throw new Problem('internal', `Cannot read byte ${position}: the ring ends at ${offset}`)
  }

  /** Bytes that left the ring; null when they can only be had once the body is kept. */
  async #fromBehind(position: number, limit: number): Promise<Uint8Array | null> {
    if (this.#canReadBack(position)) {
      const chunk = await this.#fromBlock(position, Math.min(limit, this.#readBackEnd))
      if (chunk.byteLength > 0) return chunk
    }
    if (this.#kept !== null)
      return collect(
        this.#kept.stream({ start: position, end: Math.min(limit, position + BLOCK_BYTES * 16) - 1 }),
      )
    if (this.#state === 'ended' || this.#readBackEnd !== Number.POSITIVE_INFINITY) {
      throw new Problem(
        'store-full',
        'Cannot go on: the body is not kept, and this reader fell too far behind',
      )
    }
    return null
  }

  async #fromBlock(position: number, limit: number): Promise<Uint8Array> {
    const { readBack } = this.#options
    if (readBack === undefined) return new Uint8Array()
    const start = position - (position % BLOCK_BYTES)
    if (start + BLOCK_BYTES > limit) return readBack(position, limit - position)
    let block = this.#blocks.get(start)
    if (block === undefined) {
      block = readBack(start, BLOCK_BYTES)
      this.#blocks.set(start, block)
      const oldest = this.#blocks.size > BLOCKS ? this.#blocks.keys().next() : null
      if (oldest?.done === false) this.#blocks.delete(oldest.value)
      block.catch(() => this.#blocks.delete(start))
    }
    return (await block).subarray(position - start)
  }

  #canReadBack(position: number): boolean {
    return this.#options.readBack !== undefined && position < this.#readBackEnd
  }

  #settle(): void {
    wake(this.#forGrowth)
    wake(this.#forProgress)
    wake(this.#forReaders)
    this.#rest()
  }

  #rest(): void {
    if (this.#isIdle || this.#state === 'growing' || this.#readers.size > 0) return
    this.#isIdle = true
    this.#readBackEnd = 0
    // A body that is not kept has nothing but the ring, and whoever asked for it may not have come to read yet.
    if (this.#state === 'failed' || this.#kept !== null) {
      this.#ring = []
      this.#ringStart = this.#end
    }
    this.#options.onIdle?.()
  }
}

function wake(waiting: (() => void)[]): void {
  for (const resolve of waiting.splice(0)) resolve()
}

async function collect(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for (const reader = stream.getReader(); ; ) {
    const { done, value } = await reader.read()
    if (done) break
    chunks.push(value)
    size += value.byteLength
  }
  const only = chunks[0]
  if (chunks.length === 1 && only !== undefined) return only
  const whole = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.byteLength
  }
  return whole
}
