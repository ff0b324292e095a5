// A staged body on its way into S3, in parts of a multipart upload to `staging/<id>/body`. A body of one part never
// leaves memory. Parts grow, so that the ten thousand that S3 takes are enough for half a terabyte, and memory stays
// bounded: one part is being filled while two are on their way (one, of the largest).

import { Problem } from '../model/problem.ts'
import type { S3Control, S3Part } from './s3-control.ts'
import type { StageKeys } from './s3-keys.ts'
import type { S3Objects } from './s3-objects.ts'

export const PART_BYTES = 8 * 1024 * 1024
const PARTS_PER_SIZE = 2000
const MOST_PARTS = 10_000
const IN_FLIGHT = 2
const IN_FLIGHT_BYTES = 64 * 1024 * 1024

export interface S3Parts {
  /** Bytes taken. */
  readonly size: number
  /** Takes the chunk over; waits while too much is on its way. Fails with what failed before. */
  add(chunk: Uint8Array): Promise<void>
  /** Nothing of it has left memory. */
  readonly isInMemory: boolean
  /** All of it, while it is in memory. */
  whole(): Uint8Array
  /** Makes the stage's body of it all. */
  complete(): Promise<void>
  /** Makes the stage's body of whole parts, and tells the rest. */
  completeParts(): Promise<Uint8Array>
  /** Ends the upload, if one was begun. Never fails. */
  abandon(): Promise<void>
}

export interface S3PartsTools {
  readonly objects: S3Objects
  readonly control: S3Control
  /** More is copied in several parts. */
  readonly copyBytes: number
}

/** What was staged before: whole parts, in the stage's body, and the beginning of the next one. */
export interface StagedBefore {
  readonly bodyBytes: number
  readonly tail: Uint8Array
}

export function createS3Parts(
  { objects, control, copyBytes }: S3PartsTools,
  keys: StageKeys,
  before: StagedBefore = { bodyBytes: 0, tail: new Uint8Array() },
): S3Parts {
  const parts: S3Part[] = []
  const running = new Set<Promise<void>>()
  /** One for each part on its way: a signal that outlives its request would keep the part in memory. */
  const exchanges = new Set<AbortController>()
  let uploadId: string | null = null
  let sentBytes = before.bodyBytes
  let chunks: Uint8Array[] = [before.tail]
  let tailBytes = before.tail.byteLength
  let count = 0
  let failure: unknown = null

  /** Begins with what was staged before: it is copied within S3. */
  async function begin(): Promise<string> {
    uploadId = await control.createUpload(keys.body)
    const pieces = Math.ceil(before.bodyBytes / copyBytes)
    const step = pieces === 0 ? 0 : Math.ceil(before.bodyBytes / pieces)
    for (let at = 0; at < before.bodyBytes; at += step) {
      const range = { start: at, end: Math.min(before.bodyBytes, at + step) - 1 }
      parts.push(await control.copyPart(keys.body, range, { key: keys.body, uploadId }, ++count))
    }
    return uploadId
  }

  function takeTail(): Uint8Array {
    const bytes = joinChunks(chunks, tailBytes)
    chunks = []
    tailBytes = 0
    return bytes
  }

  async function send(id: string, number: number, bytes: Uint8Array): Promise<void> {
    const exchange = new AbortController()
    exchanges.add(exchange)
    try {
      parts.push(await objects.putPart({ key: keys.body, uploadId: id }, number, bytes, exchange.signal))
    } catch (error) {
      failure ??= error
    } finally {
      exchanges.delete(exchange)
    }
  }

  async function sendTail(): Promise<void> {
    const id = uploadId ?? (await begin())
    const bytes = takeTail()
    if (++count > MOST_PARTS) throw tooManyParts(keys)
    sentBytes += bytes.byteLength
    const job = send(id, count, bytes).finally(() => running.delete(job))
    running.add(job)
    const atOnce = Math.min(IN_FLIGHT, Math.max(1, Math.floor(IN_FLIGHT_BYTES / bytes.byteLength)))
    while (running.size >= atOnce) await Promise.race(running)
  }

  async function land(): Promise<void> {
    await Promise.all(running)
    if (failure !== null) throw failure
  }

  /** A lost answer to the request may hide that it succeeded. */
  async function finish(id: string): Promise<void> {
    parts.sort((one, other) => one.number - other.number)
    try {
      await control.completeUpload(keys.body, id, parts)
    } catch (error) {
      if ((await objects.head(keys.body))?.size !== sentBytes) throw error
    }
    uploadId = null
  }

  return {
    get size() {
      return sentBytes + tailBytes
    },
    async add(chunk) {
      for (let at = 0; at < chunk.byteLength; ) {
        const partBytes = sizeOfPart(count + 1)
        // Sent only when more comes: what is exactly one part stays in memory.
        if (tailBytes >= partBytes) await sendTail()
        const piece = chunk.subarray(at, at + sizeOfPart(count + 1) - tailBytes)
        chunks.push(piece)
        tailBytes += piece.byteLength
        at += piece.byteLength
      }
      if (failure !== null) throw failure
    },
    get isInMemory() {
      return sentBytes === 0
    },
    whole: () => joinChunks(chunks, tailBytes),
    async complete() {
      if (tailBytes > 0) await sendTail()
      await land()
      if (uploadId !== null) await finish(uploadId)
    },
    async completeParts() {
      await land()
      const rest = takeTail()
      if (uploadId !== null) await finish(uploadId)
      return rest
    },
    async abandon() {
      for (const exchange of exchanges) exchange.abort(new Error('the body is thrown away'))
      await Promise.all(running)
      chunks = []
      const id = uploadId
      uploadId = null
      if (id !== null) await control.abortUpload(keys.body, id).catch(() => {})
    },
  }
}

function sizeOfPart(number: number): number {
  return PART_BYTES * 2 ** Math.floor((number - 1) / PARTS_PER_SIZE)
}

function tooManyParts(keys: StageKeys): Problem {
  return new Problem(
    'too-large',
    `Cannot write ${keys.body}: S3 takes ${MOST_PARTS} parts, and more would be needed`,
  )
}

function joinChunks(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const only = chunks.find(chunk => chunk.byteLength > 0)
  if (only?.byteLength === length) return only
  const joined = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    joined.set(chunk, at)
    at += chunk.byteLength
  }
  return joined
}
