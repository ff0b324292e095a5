// Staged bodies in the bucket: put away until somebody resumes them, taken by one only, and swept when nobody comes.
// Parts of an upload cannot be read back, but have to be, to be hashed again: a suspension makes an object of the whole
// parts, and another one of the rest; whoever resumes goes on from a copy of them.
//
// Nobody can tell whether the process still lives that writes a stage which is not suspended. Such a one is swept when
// nothing was written to it for a day.

import type { StageOptions } from '../ports/blob-store.ts'
import type { S3Control, S3Listed } from './s3-control.ts'
import { isStageId, REMOVALS, STAGING, stageKeys, stageOf } from './s3-keys.ts'
import type { S3Objects } from './s3-objects.ts'
import type { S3Parts, StagedBefore } from './s3-parts.ts'
import { type S3StreamParts, streamObject } from './s3-stream.ts'
import type { ServerTime } from './server-time.ts'
import { parseStageOptions, printStageOptions, type StagedDigests } from './staged-digests.ts'

const NUMBERS = /\/(suspended|taken)-([0-9a-f-]+)$/

export interface TakenBody {
  readonly before: StagedBefore
  readonly digests: StagedDigests
  readonly options: StageOptions
}

export interface S3Suspended {
  putAway(id: string, parts: S3Parts, options: StageOptions): Promise<void>
  /** Null when there is none, or another one took it. */
  take(id: string, digestsFor: (options: StageOptions) => StagedDigests): Promise<TakenBody | null>
  /** Removes all that a stage has in the bucket. */
  drop(id: string): Promise<void>
  /** Says how many bodies went. */
  sweep(before: number): Promise<number>
}

export interface S3SuspendedParts extends S3StreamParts {
  readonly objects: S3Objects
  readonly control: S3Control
  readonly time: ServerTime
  /** After so long without a write a stage has no owner any more. */
  readonly abandonedMs: number
}

interface StagedBody {
  writtenAt: number
  readonly keys: string[]
  readonly uploads: string[]
}

export function createS3Suspended(tools: S3SuspendedParts): S3Suspended {
  const { objects, control, time, abandonedMs } = tools

  async function listAll(prefix: string): Promise<S3Listed[]> {
    const all: S3Listed[] = []
    for (let cursor: string | undefined, isMore = true; isMore; ) {
      const page = await control.list(prefix, cursor)
      all.push(...page.objects)
      cursor = page.cursor ?? undefined
      isMore = page.cursor !== null
    }
    return all
  }

  async function hashAgain(object: S3Listed | undefined, digests: StagedDigests): Promise<void> {
    if (object === undefined || object.size === 0) return
    const { key, size } = object
    const reader = streamObject(
      tools,
      key,
      size,
      { start: 0, end: size - 1 },
      `Cannot read ${key}`,
    ).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      digests.update(value)
    }
  }

  async function readTail(object: S3Listed | undefined, digests: StagedDigests): Promise<Uint8Array> {
    if (object === undefined) return new Uint8Array()
    const tail = new Uint8Array(object.size)
    let at = 0
    await hashAgain(object, {
      ...digests,
      update(chunk) {
        digests.update(chunk)
        tail.set(chunk, at)
        at += chunk.byteLength
      },
    })
    return tail
  }

  async function removeAll(id: string, kept: (key: string) => boolean = () => false): Promise<void> {
    for (const { key } of await listAll(stageKeys(id).prefix)) if (!kept(key)) await objects.remove(key)
  }

  /** The number of the suspension that nobody has ended yet. */
  function openNumber(keys: readonly string[]): string | null {
    const numbers = { suspended: '', taken: [] as string[] }
    for (const key of keys) {
      const [, what, number = ''] = NUMBERS.exec(key) ?? []
      if (what === 'suspended') numbers.suspended = number
      if (what === 'taken') numbers.taken.push(number)
    }
    return numbers.suspended === '' || numbers.taken.includes(numbers.suspended) ? null : numbers.suspended
  }

  /** All that is staged, and when something was last written to each. */
  async function findStaged(): Promise<Map<string, StagedBody>> {
    const staged = new Map<string, StagedBody>()
    const bodyOf = (id: string) => {
      const body = staged.get(id) ?? { writtenAt: 0, keys: [], uploads: [] }
      staged.set(id, body)
      return body
    }
    for (const { key, modifiedAt } of await listAll(STAGING)) {
      const id = stageOf(key)
      if (id === null) continue
      const body = bodyOf(id)
      body.keys.push(key)
      body.writtenAt = Math.max(body.writtenAt, latest(modifiedAt))
    }
    for (const upload of await control.uploads(STAGING)) {
      const id = stageOf(upload.key)
      if (id === null) continue
      const body = bodyOf(id)
      body.uploads.push(upload.uploadId)
      const isOld = upload.startedAt < time.now() - abandonedMs
      const writtenAt = isOld ? ((await control.lastPartAt(upload)) ?? upload.startedAt) : upload.startedAt
      body.writtenAt = Math.max(body.writtenAt, writtenAt)
    }
    return staged
  }

  /** A copy to a blob in parts, that its process did not live to end. */
  async function abortCopy(id: string): Promise<void> {
    const [key = '', uploadId = ''] = (await objects.text(stageKeys(id).copying))?.split('\n') ?? []
    if (uploadId !== '') await control.abortUpload(key, uploadId)
  }

  async function sweepRemovals(): Promise<void> {
    for (const { key, modifiedAt } of await listAll(REMOVALS))
      if (modifiedAt < time.now() - abandonedMs) await objects.remove(key)
  }

  return {
    async putAway(id, parts, options) {
      const keys = stageKeys(id)
      const tail = await parts.completeParts()
      // The mark of the suspension before goes; its bytes are those of this one, or are written anew now.
      await removeAll(id, key => key === keys.body)
      if (tail.byteLength > 0) await objects.put(keys.tail, tail)
      const text = new TextEncoder().encode(printStageOptions(options))
      await objects.put(keys.suspended(crypto.randomUUID()), text)
    },
    async take(id, digestsFor) {
      if (!isStageId(id)) return null
      const keys = stageKeys(id)
      const number = openNumber((await listAll(keys.prefix)).map(({ key }) => key))
      if (number === null) return null
      if (!(await objects.claim(keys.taken(number)))) return null
      try {
        const found = await listAll(keys.prefix)
        const options = parseStageOptions((await objects.text(keys.suspended(number))) ?? '')
        const digests = digestsFor(options)
        const body = found.find(({ key }) => key === keys.body)
        await hashAgain(body, digests)
        const tail = await readTail(
          found.find(({ key }) => key === keys.tail),
          digests,
        )
        return { before: { bodyBytes: body?.size ?? 0, tail }, digests, options }
      } catch (error) {
        await objects.remove(keys.taken(number)).catch(() => {})
        throw error
      }
    },
    drop: id => removeAll(id),
    async sweep(before) {
      let count = 0
      for (const [id, { keys, uploads, writtenAt }] of await findStaged()) {
        const abandonedAt = time.now() - abandonedMs
        const limit =
          openNumber(keys) === null ? Math.min(time.toServer(before), abandonedAt) : time.toServer(before)
        if (writtenAt >= limit) continue
        if (keys.includes(stageKeys(id).copying)) await abortCopy(id)
        for (const uploadId of uploads) await control.abortUpload(stageKeys(id).body, uploadId)
        await removeAll(id)
        count += 1
      }
      await sweepRemovals()
      return count
    },
  }
}

/** Where a server tells whole seconds only, the end of that second. */
function latest(modifiedAt: number): number {
  return modifiedAt % 1000 === 0 ? modifiedAt + 999 : modifiedAt
}
