// A staged body as objects `staging/<id>/00001` …, all of one size but the last, which stays in memory as long as it
// can: a body of one part is never staged at all. `staging/<id>/suspended` marks one that waits to be resumed; all others
// are being written, and show it: something of them is written at least every few minutes.

import type { StagedDigests } from '../../src/drivers/staged-digests.ts'
import { parseStageOptions, printStageOptions } from '../../src/drivers/staged-digests.ts'
import { Problem } from '../../src/model/problem.ts'
import type { StageOptions } from '../../src/ports/blob-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { R2BucketLike, R2PartLike, R2UploadLike } from './r2-bucket.ts'
import { listObjects } from './r2-bucket.ts'

export const STAGING = 'staging/'
export const SUSPENDED = 'suspended'
const PART_BYTES = 8 * 1024 * 1024
/** They pass by while assembling, and are never in memory. */
const PARTS_AT_ONCE = 4
const KEYS_AT_ONCE = 1000
/** A writer that lives shows it this often. */
const SIGN_MS = 5 * 60_000
const TAKEN = 'taken'

export interface R2PartsHome {
  readonly bucket: R2BucketLike
  readonly clock: Clock
}

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
  { bucket, clock }: R2PartsHome,
  id: string,
  count = 0,
  tail: Uint8Array = new Uint8Array(),
): R2Parts {
  let signedAt = clock.now()
  let partCount = count
  let chunks = [tail]
  let tailBytes = tail.byteLength

  async function stageTail(): Promise<void> {
    await bucket.put(partKey(id, partCount + 1), joinChunks(chunks, tailBytes))
    signedAt = clock.now()
    partCount += 1
    chunks = []
    tailBytes = 0
  }

  async function showLife(): Promise<void> {
    if (partCount === 0 || clock.now() - signedAt < SIGN_MS) return
    signedAt = clock.now()
    await bucket.put(`${STAGING}${id}/alive`, '')
  }

  async function copyPart(upload: R2UploadLike, number: number): Promise<R2PartLike> {
    if (number > partCount) return upload.uploadPart(number, joinChunks(chunks, tailBytes))
    const part = await bucket.get(partKey(id, number))
    if (part?.size !== PART_BYTES) {
      throw new Problem('store-broken', `Cannot commit stage ${id}: part ${number} is no longer whole`)
    }
    return upload.uploadPart(number, part.body)
  }

  async function copyAll(upload: R2UploadLike): Promise<void> {
    const numbers = Array.from({ length: partCount + (tailBytes > 0 ? 1 : 0) }, (_, index) => index + 1)
    const copied: R2PartLike[] = []
    while (numbers.length > 0) {
      const some = numbers.splice(0, PARTS_AT_ONCE)
      copied.push(...(await Promise.all(some.map(number => copyPart(upload, number)))))
      await showLife()
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
      await showLife()
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
      for await (const { key } of listObjects(bucket, `${STAGING}${id}/`)) keys.push(key)
      await deleteAll(bucket, keys)
    },
  }
}

/** A suspended body, hashed again; null when there is none, or another one took it. */
export async function takeParts(
  home: R2PartsHome,
  id: string,
  digestsFor: (options: StageOptions) => StagedDigests,
): Promise<TakenParts | null> {
  const { bucket } = home
  const mark = isStageId(id) ? await bucket.get(suspendedKey(id)) : null
  const text = (await mark?.text()) ?? TAKEN
  if (mark === null || text === TAKEN) return null
  const isMine = await bucket.put(suspendedKey(id), TAKEN, { onlyIf: { etagMatches: mark.etag } })
  if (isMine === null) return null
  await bucket.delete([suspendedKey(id)])

  const options = parseStageOptions(text)
  const digests = digestsFor(options)
  let count = 0
  let tail: Uint8Array = new Uint8Array()
  for await (const { key } of listObjects(bucket, `${STAGING}${id}/0`)) {
    const part = await bucket.get(key)
    if (part === null)
      throw new Problem('store-broken', `Cannot resume stage ${id}: a part is no longer there`)
    const bytes = new Uint8Array(await part.arrayBuffer())
    digests.update(bytes)
    if (bytes.byteLength === PART_BYTES) count += 1
    else tail = bytes
  }
  return { parts: createR2Parts(home, id, count, tail), digests, options }
}

export async function deleteAll(bucket: R2BucketLike, keys: readonly string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += KEYS_AT_ONCE)
    await bucket.delete(keys.slice(at, at + KEYS_AT_ONCE))
}

/** The last part may be staged short, and is written again when it has grown. */
function partKey(id: string, number: number): string {
  return `${STAGING}${id}/${String(number).padStart(5, '0')}`
}

function suspendedKey(id: string): string {
  return `${STAGING}${id}/${SUSPENDED}`
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
