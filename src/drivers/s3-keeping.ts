// How blobs come to their place in the bucket, and how they leave it. Every commit writes the object anew, from memory
// or by a copy within S3, so its modification time is when it was last committed; all times are compared by the
// server's clock, which all replicas share.
//
// S3 cannot delete on a condition. Who removes a blob unless it was committed since says so first, in an object of its
// own, and looks at the blob after that; who commits what was there before looks for such an object after writing.
// One of the two sees the other: either the removal spares the blob, or the commit waits for it and writes again.
//
// What other programs put under our names is used, and neither written nor removed: it has no mark of ours.

import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { S3Control } from './s3-control.ts'
import { blobKey, removalKey, type StageKeys } from './s3-keys.ts'
import type { S3Head, S3Objects } from './s3-objects.ts'
import type { ServerTime } from './server-time.ts'

export interface S3Keeping {
  /** True when another program put it there: nothing is to be done about it, ever. */
  isForeign(sha256: string, size: number): Promise<boolean>
  keepBytes(sha256: string, bytes: Uint8Array): Promise<void>
  /** From the stage's body. */
  keepStaged(stage: StageKeys, sha256: string, size: number): Promise<void>
  /** It was put into its place by a request that began before `at` (by the server's clock), when its commit began. */
  settle(sha256: string, size: number, at: number): Promise<void>
  remove(sha256: string, unlessCommittedSince?: number): Promise<boolean>
}

export interface S3KeepingParts {
  readonly objects: S3Objects
  readonly control: S3Control
  readonly time: ServerTime
  readonly clock: Clock
  /** More is copied in parts. */
  readonly copyBytes: number
}

/** Of an object whose commit came after its mark was sent. */
export const STREAMED = 'streamed'

/** A removal that takes longer was abandoned. */
const REMOVAL_MS = 60_000
/** It gives up itself long before. */
const REMOVAL_LIMIT_MS = 15_000
const LOOK_MS = 100
const ATTEMPTS = 4

export function createS3Keeping({ objects, control, time, clock, copyBytes }: S3KeepingParts): S3Keeping {
  const mark = () => String(Math.round(time.now()))

  /** Does `write`, and again if a removal took what it wrote along. */
  async function writeForGood(sha256: string, write: () => Promise<void>): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      await write()
      if (await outlivesRemoval(sha256)) return
    }
    throw removed(sha256)
  }

  async function outlivesRemoval(sha256: string): Promise<boolean> {
    for (let looks = 0; ; looks++) {
      const removal = await objects.head(removalKey(sha256))
      if (removal === null || isAbandoned(removal))
        return looks === 0 || (await objects.head(blobKey(sha256))) !== null
      await clock.sleep(LOOK_MS)
    }
  }

  async function copy(from: string, sha256: string, size: number, stage?: StageKeys): Promise<void> {
    const to = blobKey(sha256)
    if (size <= copyBytes) return control.copy(from, to, mark())
    const uploadId = await control.createUpload(to, mark())
    try {
      if (stage !== undefined)
        await objects.put(stage.copying, new TextEncoder().encode(`${to}\n${uploadId}`))
      const parts = await copyParts(control, from, size, copyBytes, { key: to, uploadId })
      await control.completeUpload(to, uploadId, parts)
    } catch (error) {
      await control.abortUpload(to, uploadId).catch(() => {})
      throw error
    }
  }

  /** Null when it is not there. */
  async function committedAt(sha256: string, noted: string | null): Promise<number | null> {
    const key = blobKey(sha256)
    const { objects: found } = await control.list(key)
    const listed = found.find(object => object.key === key)?.modifiedAt
    return listed === undefined ? null : commitTime(listed, noted)
  }

  async function isSpared(sha256: string, noted: string | null, since: number): Promise<boolean> {
    const at = await committedAt(sha256, noted)
    return at === null || at >= since
  }

  async function removeUnlessCommitted(
    sha256: string,
    noted: string | null,
    since: number,
  ): Promise<boolean> {
    if (await isSpared(sha256, noted, since)) return false
    const startedAt = clock.now()
    const removal = removalKey(sha256)
    if (!(await objects.claim(removal))) {
      const other = await objects.head(removal)
      if (other !== null && !isAbandoned(other)) return false
      await objects.put(removal, new Uint8Array())
    }
    try {
      const head = await objects.head(blobKey(sha256))
      if (head === null || (await isSpared(sha256, head.mark, since))) return false
      if (clock.now() - startedAt > REMOVAL_LIMIT_MS) throw tooSlow(sha256)
      await objects.remove(blobKey(sha256))
      return true
    } finally {
      await objects.remove(removal)
    }
  }

  return {
    isForeign: async (sha256, size) => isForeign(await objects.head(blobKey(sha256)), size),
    async keepBytes(sha256, bytes) {
      const key = blobKey(sha256)
      if ((await objects.put(key, bytes, { isNew: true, mark: mark() })) === 'put') return
      if (isForeign(await objects.head(key), bytes.byteLength)) return
      await writeForGood(sha256, async () => void (await objects.put(key, bytes, { mark: mark() })))
    },
    async keepStaged(stage, sha256, size) {
      if (isForeign(await objects.head(blobKey(sha256)), size)) return
      await writeForGood(sha256, () => copy(stage.body, sha256, size, stage))
    },
    async settle(sha256, size, at) {
      const key = blobKey(sha256)
      const head = await objects.head(key)
      if (head?.size !== size) throw removed(sha256)
      // Some servers count from the beginning of a request.
      if (head.modifiedAt + 999 < at) await copy(key, sha256, size)
      if (!(await outlivesRemoval(sha256))) throw removed(sha256)
    },
    async remove(sha256, unlessCommittedSince) {
      const key = blobKey(sha256)
      const head = await objects.head(key)
      if (head === null) return false
      // Its bytes are not ours to remove; our books may close on it.
      if (head.mark === null) return true
      if (unlessCommittedSince !== undefined)
        return removeUnlessCommitted(sha256, head.mark, time.toServer(unlessCommittedSince))
      await objects.remove(key)
      return true
    },
  }
}

async function copyParts(
  control: S3Control,
  from: string,
  size: number,
  copyBytes: number,
  to: { key: string; uploadId: string },
) {
  // Of equal size: a short last part could be too short for S3.
  const count = Math.ceil(size / copyBytes)
  const step = Math.ceil(size / count)
  const parts = []
  for (let number = 1; number <= count; number++) {
    const start = (number - 1) * step
    parts.push(await control.copyPart(from, { start, end: Math.min(size, start + step) - 1 }, to, number))
  }
  return parts
}

/** Where a list tells whole seconds only, what was noted tells which moment of that second; in doubt it was the last. */
function commitTime(listed: number, noted: string | null): number {
  if (listed % 1000 !== 0) return listed
  const at = Number(noted ?? Number.NaN)
  return at >= listed && at < listed + 1000 ? at : listed + 999
}

function isForeign(head: S3Head | null, size: number): boolean {
  return head !== null && head.mark === null && head.size === size
}

function isAbandoned({ askedAt, modifiedAt }: S3Head): boolean {
  return askedAt - modifiedAt > REMOVAL_MS
}

function removed(sha256: string): Problem {
  return new Problem('store-broken', `Cannot keep blob ${sha256}: it was removed while it was committed`)
}

function tooSlow(sha256: string): Problem {
  return new Problem(
    'store-broken',
    `Cannot remove blob ${sha256}: S3 took too long, and it may be in use again`,
  )
}
