// Writing that does not wait for the disk: chunks queue up (bounded) and go out a megabyte at a time. Every byte
// taken can be read back at once, from the queue or from the file. The file's number is never closed here.

import { Problem } from '../../src/model/problem.ts'
import { rawBytes, readFully, storeProblem, syncBytes, writeFully } from './raw-files.ts'

const QUEUE_LIMIT_BYTES = 2 * 1024 * 1024
const QUEUE_LIMIT_CHUNKS = 1024
const BATCH_LIMIT_BYTES = 1024 * 1024
const BATCH_LIMIT_CHUNKS = 256
/** So much may be on its way to the disk unforced; a commit then finds little left to force. */
const SYNC_EVERY_BYTES = 16 * 1024 * 1024

export interface WriteBehind {
  /** Bytes taken. */
  readonly length: number
  /** Waits only while the queue is full. Fails with what failed before. */
  write(chunk: Uint8Array): Promise<void>
  /** Everything taken is in the file. Fails when it could not be written. */
  drain(): Promise<void>
  read(offset: number, limit: number): Promise<Uint8Array>
  /** Takes and writes nothing more; resolves when the file is no longer in use. Never fails. */
  stop(): Promise<void>
}

/** What is not durable is left to the system to write down. */
export function createWriteBehind(fd: number, start: number, action: string, isDurable = true): WriteBehind {
  const queue: Uint8Array[] = []
  const reading = new Set<Promise<unknown>>()
  let writtenBytes = start
  let queuedBytes = 0
  let syncedBytes = start
  let failure: Problem | null = null
  let isStopped = false
  let pumping: Promise<void> | null = null
  let syncing: Promise<void> | null = null
  let wake = () => {}

  async function pump(): Promise<void> {
    while (queue.length > 0 && failure === null && !isStopped) {
      const batch = firstOf(queue)
      try {
        await writeFully(fd, batch.chunks, writtenBytes)
      } catch (error) {
        failure ??= storeProblem(error, action)
        break
      }
      queue.splice(0, batch.chunks.length)
      queuedBytes -= batch.bytes
      writtenBytes += batch.bytes
      if (isDurable && writtenBytes - syncedBytes >= SYNC_EVERY_BYTES) syncing ??= syncBehind()
      if (hasRoom()) wake()
    }
    pumping = null
    wake()
  }

  async function syncBehind(): Promise<void> {
    syncedBytes = writtenBytes
    try {
      await syncBytes(fd)
    } catch (error) {
      // The system tells a failed write-back once only: it must not be lost.
      failure ??= storeProblem(error, action)
    }
    syncing = null
  }

  function hasRoom(): boolean {
    return queuedBytes < QUEUE_LIMIT_BYTES && queue.length < QUEUE_LIMIT_CHUNKS
  }

  async function readBack(bytes: Uint8Array, offset: number, fromFile: number): Promise<Uint8Array> {
    const count = await readFully(fd, bytes.subarray(0, fromFile), offset)
    if (count === fromFile) return bytes
    throw new Problem(
      'store-broken',
      `${action}: it has ${offset + count} bytes, ${writtenBytes} were written`,
    )
  }

  return {
    get length() {
      return writtenBytes + queuedBytes
    },
    async write(chunk) {
      if (failure !== null) throw failure
      if (chunk.byteLength === 0 || isStopped) return
      for (let at = 0; at < chunk.byteLength; at += BATCH_LIMIT_BYTES) {
        queue.push(chunk.subarray(at, at + BATCH_LIMIT_BYTES))
      }
      queuedBytes += chunk.byteLength
      pumping ??= pump()
      while (!hasRoom() && pumping !== null) await new Promise<void>(resolve => (wake = resolve))
      if (failure !== null) throw failure
    },
    async drain() {
      await pumping
      if (failure !== null) throw failure
    },
    async read(offset, limit) {
      const length = Math.max(0, Math.min(limit, writtenBytes + queuedBytes - offset))
      const bytes = rawBytes(length)
      const fromFile = Math.max(0, Math.min(length, writtenBytes - offset))
      // What is still queued is copied before waiting: by then it may have left the queue.
      copyQueued(queue, offset + fromFile - writtenBytes, bytes.subarray(fromFile))
      if (fromFile === 0) return bytes
      const job = readBack(bytes, offset, fromFile)
      reading.add(job)
      return job.finally(() => reading.delete(job))
    },
    async stop() {
      isStopped = true
      await pumping
      await syncing
      while (reading.size > 0) await Promise.allSettled(reading)
    },
  }
}

function firstOf(queue: readonly Uint8Array[]): { chunks: Uint8Array[]; bytes: number } {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for (const chunk of queue) {
    const isFull = bytes + chunk.byteLength > BATCH_LIMIT_BYTES || chunks.length === BATCH_LIMIT_CHUNKS
    if (isFull && chunks.length > 0) break
    chunks.push(chunk)
    bytes += chunk.byteLength
  }
  return { chunks, bytes }
}

/** Fills `into` with the queue's bytes from `offset` (counted from the queue's start). */
function copyQueued(queue: readonly Uint8Array[], offset: number, into: Uint8Array): void {
  let start = 0
  for (const chunk of queue) {
    const from = Math.max(0, offset - start)
    const to = Math.min(chunk.byteLength, offset + into.byteLength - start)
    if (from < to) into.set(chunk.subarray(from, to), start + from - offset)
    start += chunk.byteLength
    if (start >= offset + into.byteLength) break
  }
}
