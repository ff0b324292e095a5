// One body on its way into S3 whose digest or size is told by its end only: in memory, else in parts below `staging/`,
// and moved to its place by a copy within S3.

import { toProblem } from '../model/problem.ts'
import type { Stage, StageOptions } from '../ports/blob-store.ts'
import type { S3Keeping } from './s3-keeping.ts'
import { stageKeys } from './s3-keys.ts'
import type { S3Parts } from './s3-parts.ts'
import type { S3Suspended } from './s3-suspended.ts'
import { createStageLife } from './stage-life.ts'
import type { StagedDigests } from './staged-digests.ts'

export interface S3StageParts {
  readonly id: string
  readonly parts: S3Parts
  readonly digests: StagedDigests
  readonly options: StageOptions
  readonly keeping: S3Keeping
  readonly suspended: S3Suspended
  /** It has objects in the bucket already. */
  readonly wasSuspended: boolean
}

export function createS3Stage(given: S3StageParts): Stage {
  const { id, parts, digests, options, keeping, suspended, wasSuspended } = given
  const life = createStageLife(id)

  /** Nothing of it is left; where that fails, it is for the sweep. */
  async function drop(): Promise<void> {
    const isInBucket = wasSuspended || !parts.isInMemory
    await parts.abandon()
    if (isInBucket) await suspended.drop(id).catch(() => {})
  }

  async function keep(sha256: string, size: number): Promise<void> {
    if (parts.isInMemory) return keeping.keepBytes(sha256, parts.whole())
    await parts.complete()
    await keeping.keepStaged(stageKeys(id), sha256, size)
  }

  return {
    id,
    get offset() {
      return parts.size
    },
    async write(chunk) {
      life.refuseSpent('write to')
      digests.update(chunk)
      try {
        await parts.add(chunk)
      } catch (error) {
        throw toProblem(error, 'store-broken', `Cannot write stage ${id}`)
      }
    },
    async commit(announce) {
      life.spend('commit')
      try {
        const committed = digests.finish(parts.size)
        await announce?.(committed)
        await keep(committed.sha256, committed.size)
        return committed
      } catch (error) {
        throw toProblem(error, 'store-broken', `Cannot commit stage ${id}`)
      } finally {
        await drop()
      }
    },
    async suspend() {
      life.spend('suspend')
      try {
        await suspended.putAway(id, parts, options)
      } catch (error) {
        await drop()
        throw toProblem(error, 'store-broken', `Cannot suspend stage ${id}`)
      }
    },
    async discard() {
      if (life.isSpent) return
      life.spend('discard')
      await drop()
    },
  }
}
