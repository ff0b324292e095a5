// BlobStore in an S3 bucket: MinIO, Ceph RGW, AWS. A blob is the object `blobs/sha256/<hash>`, which S3 shows when it is
// whole. What is known beforehand decides how it gets there: a small body goes in one request from memory, one whose
// digest and size are told is streamed to its place, any other goes to `staging/` in parts and is moved within S3.
// A stage cannot be read back (`read` is absent), and nobody can tell whether its owner lives: see `s3-suspended`.

import { isSha256 } from '../model/digest.ts'
import { toProblem } from '../model/problem.ts'
import type { BlobStore, Stage, StageOptions } from '../ports/blob-store.ts'
import type { Clock } from '../ports/clock.ts'
import type { Hasher } from '../ports/hasher.ts'
import type { Log } from '../ports/log.ts'
import { createS3Control } from './s3-control.ts'
import { createS3DirectStage } from './s3-direct-stage.ts'
import { createS3Keeping } from './s3-keeping.ts'
import { BLOBS, blobKey, stageKeys } from './s3-keys.ts'
import { createS3Objects } from './s3-objects.ts'
import { createS3Parts, PART_BYTES, type StagedBefore } from './s3-parts.ts'
import { createS3Requests, type S3Options } from './s3-requests.ts'
import { createS3Stage } from './s3-stage.ts'
import { streamObject } from './s3-stream.ts'
import { createS3Suspended } from './s3-suspended.ts'
import { withServerTime } from './server-time.ts'
import type { ServiceLink } from './service-link.ts'
import { createStagedDigests, type StagedDigests } from './staged-digests.ts'

/** What S3 takes in one request, a put or a copy. */
const REQUEST_BYTES = 5 * 1024 * 1024 * 1024
const DAY_MS = 24 * 60 * 60_000

export interface S3BlobsParts {
  readonly options: S3Options
  readonly link: ServiceLink
  readonly hasher: Hasher
  readonly clock: Clock
  readonly log: Log
  /** Less than S3 allows, for tests. */
  readonly requestBytes?: number
  /** After so long without a write a stage has no owner any more. */
  readonly abandonedMs?: number
}

export interface S3Blobs extends BlobStore {
  /** Makes the bucket when it is absent. Throws when it cannot be used. */
  checkBucket(): Promise<void>
}

export function createS3Blobs(given: S3BlobsParts): S3Blobs {
  const { options, hasher, clock, log, requestBytes = REQUEST_BYTES, abandonedMs = DAY_MS } = given
  const { link, time } = withServerTime(given.link, clock)
  const control = createS3Control({ options, link, clock })
  const objects = createS3Objects(createS3Requests({ options, link, time, clock }), hasher)
  const keeping = createS3Keeping({ objects, control, time, clock, copyBytes: requestBytes })
  const suspended = createS3Suspended({ objects, control, time, clock, log, abandonedMs })

  function openStage(id: string, digests: StagedDigests, wanted: StageOptions, before?: StagedBefore): Stage {
    const parts = createS3Parts({ objects, control, copyBytes: requestBytes }, stageKeys(id), before)
    const wasSuspended = before !== undefined
    return createS3Stage({ id, parts, digests, options: wanted, keeping, suspended, wasSuspended })
  }

  /** Null when it takes more than one request, or its name is not known yet. */
  function straight({ expected = [], size = 0 }: StageOptions): { sha256: string; size: number } | null {
    const sha256 = expected.find(({ algorithm }) => algorithm === 'sha256')?.hex
    return sha256 === undefined || size <= PART_BYTES || size > requestBytes ? null : { sha256, size }
  }

  return {
    checkBucket: () => control.checkBucket(),
    open: (sha256, size) =>
      told(`Cannot open blob ${sha256}`, async action => {
        const key = blobKey(sha256)
        const found = await objects.head(key)
        if (found === null || (size ?? found.size) !== found.size) return null
        const whole = { start: 0, end: found.size - 1 }
        return {
          sha256,
          size: found.size,
          stream: range => streamObject({ objects, clock, log }, key, found.size, range ?? whole, action),
        }
      }),
    stage: (wanted = {}) =>
      told('Cannot stage body', async () => {
        const id = crypto.randomUUID()
        const digests = createStagedDigests(hasher, wanted)
        const known = straight(wanted)
        if (known === null) return openStage(id, digests, wanted)
        const isForeign = await keeping.isForeign(known.sha256, known.size)
        return createS3DirectStage({ id, ...known, digests, objects, keeping, time, clock, isForeign })
      }),
    resume: id =>
      told(`Cannot resume stage ${id}`, async () => {
        const taken = await suspended.take(id, wanted => createStagedDigests(hasher, wanted))
        return taken === null ? null : openStage(id, taken.digests, taken.options, taken.before)
      }),
    remove: (sha256, unlessCommittedSince) =>
      told(`Cannot remove blob ${sha256}`, () => keeping.remove(sha256, unlessCommittedSince)),
    list: cursor =>
      told('Cannot list blobs', async () => {
        const page = await control.list(BLOBS, cursor)
        const blobs = page.objects.map(({ key, size, modifiedAt }) => {
          return { sha256: key.slice(BLOBS.length), size, committedAt: time.toOurs(modifiedAt) }
        })
        return { blobs: blobs.filter(({ sha256 }) => isSha256(sha256)), cursor: page.cursor }
      }),
    sweep: before => told('Cannot sweep staged bytes', () => suspended.sweep(before)),
    link: (sha256, ttlSeconds, headers) => objects.link(blobKey(sha256), ttlSeconds, headers),
  }
}

async function told<T>(action: string, work: (action: string) => Promise<T>): Promise<T> {
  try {
    return await work(action)
  } catch (error) {
    throw toProblem(error, 'store-broken', action)
  }
}
