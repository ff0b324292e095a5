// A staged body as objects `staging/<id>/00001` …, all of one size but the last, which stays in memory as long as it
// can: a body of one part is never staged at all. `staging/<id>/suspended` marks one that waits to be resumed.

import type { StagedDigests } from '../../src/drivers/staged-digests.ts'
import { parseStageOptions, printStageOptions } from '../../src/drivers/staged-digests.ts'
import { Problem } from '../../src/model/problem.ts'
import type { StageOptions } from '../../src/ports/blob-store.ts'
import type { R2BucketLike, R2PartLike, R2UploadLike } from './r2-bucket.ts'
import { listObjects } from './r2-bucket.ts'

const PREFIX = 'staging/'
const PART_BYTES = 8 * 1024 * 1024
/** In memory together while assembling. */
const PARTS_AT_ONCE = 4
const KEYS_AT_ONCE = 1000
const TAKEN = 'taken'

export interface R2Parts {
  readonly id: string
  readonly size: number
  add(chunk: Uint8Array): Promise<void>
  /** Makes one object of them. */
  assemble(key: string, sha256: string): Promise<void>
  putAway(options: StageOptions): Promise<void>
  remove(): Promise<void>
}

export interface TakenParts {
  readonly parts: R2Parts
  readonly digests: StagedDigests
  readonly options: StageOptions
}

/** With `count` whole parts staged already, and the first bytes of the next. */
export function createR2Parts(
  bucket: R2BucketLike,
  id: string,
  count = 0,
  tail: Uint8Array = new Uint8Array(),
): R2Parts {
  let partCount = count
  let chunks = [tail]
  let tailBytes = tail.byteLength

  async function stageTail(): Promise<void> {
    await bucket.put(partKey(id, partCount + 1), joinChunks(chunks, tailBytes))
    partCount += 1
    chunks = []
    tailBytes = 0
  }

  async function copyPart(upload: R2UploadLike, number: number): Promise<R2PartLike> {
    if (number > partCount) return upload.uploadPart(number, joinChunks(chunks, tailBytes))
    const part = await bucket.get(partKey(id, number))
    if (part?.size !== PART_BYTES) {
      throw new Problem('store-broken', `Cannot commit stage ${id}: part ${number} is no longer whole`)
    }
    return upload.uploadPart(number, await part.arrayBuffer())
  }

  async function copyAll(upload: R2UploadLike): Promise<void> {
    const numbers = Array.from({ length: partCount + (tailBytes > 0 ? 1 : 0) }, (_, index) => index + 1)
    const copied: R2PartLike[] = []
    while (numbers.length > 0) {
      const some = numbers.splice(0, PARTS_AT_ONCE)
      copied.push(...(await Promise.all(some.map(number => copyPart(upload, number)))))
    }
    await upload.complete(copied)
  }

  return {
    id,
    get size() {
      return partCount * PART_BYTES + tailBytes
    },
    async add(chunk) {
      for (let at = 0; at < chunk.byteLength; ) {
        const piece = chunk.subarray(at, at + PART_BYTES - tailBytes)
        chunks.push(piece)
        tailBytes += piece.byteLength
        at += piece.byteLength
        if (tailBytes === PART_BYTES) await stageTail()
      }
    },
    async assemble(key, sha256) {
      if (partCount === 0) {
        await bucket.put(key, joinChunks(chunks, tailBytes), { sha256 })
        return
      }
      const upload = await bucket.createMultipartUpload(key)
      try {
        await copyAll(upload)
      } catch (error) {
        await upload.abort().catch(() => {})
        throw error
      }
    },
    async putAway(options) {
      if (tailBytes > 0) await stageTail()
      await bucket.put(suspendedKey(id), printStageOptions(options))
    },
    async remove() {
      const keys: string[] = []
      for await (const { key } of listObjects(bucket, `${PREFIX}${id}/`)) keys.push(key)
      await deleteAll(bucket, keys)
    },
  }
}

/** A suspended body, hashed again; null when there is none, or another one took it. */
export async function takeParts(
  bucket: R2BucketLike,
  id: string,
  digestsFor: (options: StageOptions) => StagedDigests,
): Promise<TakenParts | null> {
  const mark = isStageId(id) ? await bucket.get(suspendedKey(id)) : null
  const text = (await mark?.text()) ?? TAKEN
  if (mark === null || text === TAKEN) return null
  const isMine = await bucket.put(suspendedKey(id), TAKEN, { onlyIf: { etagMatches: mark.etag } })
  if (isMine === null) return null

  const options = parseStageOptions(text)
  const digests = digestsFor(options)
  let count = 0
  let tail: Uint8Array = new Uint8Array()
  for await (const { key } of listObjects(bucket, `${PREFIX}${id}/0`)) {
    const part = await bucket.get(key)
    if (part === null)
      throw new Problem('store-broken', `Cannot resume stage ${id}: a part is no longer there`)
    const bytes = new Uint8Array(await part.arrayBuffer())
    digests.update(bytes)
    if (bytes.byteLength === PART_BYTES) count += 1
    else tail = bytes
  }
  return { parts: createR2Parts(bucket, id, count, tail), digests, options }
}

/** Drops bodies of which nothing was written since `before`; says how many. */
export async function sweepParts(bucket: R2BucketLike, before: number): Promise<number> {
  const old: string[] = []
  let count = 0
  let group = { id: '', keys: [''].slice(1), writtenAt: 0 }

  function endGroup(): void {
    if (group.keys.length === 0 || group.writtenAt >= before) return
    old.push(...group.keys)
    count += 1
  }

  for await (const { key, uploaded } of listObjects(bucket, PREFIX)) {
    const id = key.slice(PREFIX.length).split('/')[0] ?? ''
    if (id !== group.id) {
      endGroup()
      group = { id, keys: [], writtenAt: 0 }
    }
    group.keys.push(key)
    group.writtenAt = Math.max(group.writtenAt, uploaded.getTime())
  }
  endGroup()
  await deleteAll(bucket, old)
  return count
}

async function deleteAll(bucket: R2BucketLike, keys: string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += KEYS_AT_ONCE)
    await bucket.delete(keys.slice(at, at + KEYS_AT_ONCE))
}

/** The last part may be staged short, and is written again when it has grown. */
function partKey(id: string, number: number): string {
  return `${PREFIX}${id}/${String(number).padStart(5, '0')}`
}

function suspendedKey(id: string): string {
  return `${PREFIX}${id}/suspended`
}

function isStageId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
}

function joinChunks(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    joined.set(chunk, at)
    at += chunk.byteLength
  }
  return joined
}
