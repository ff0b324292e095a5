// BlobStore in an R2 bucket. R2 shows an object only when it is whole, but cannot rename: a body waits in equal
// parts under `staging/<id>/` until its sha256 is known, and a commit assembles them under the final key.
// A stage cannot be read back while it is written (`read` is absent). R2 has no conditional delete: a commit that falls
// between the look and the deletion of a `remove` is lost; a collector's grace keeps the two apart. An assembly that
// dies in the middle leaves an unfinished upload, which R2 itself drops after a week.

import type { StagedDigests } from '../../src/drivers/staged-digests.ts'
import { createStagedDigests } from '../../src/drivers/staged-digests.ts'
import { isSha256 } from '../../src/model/digest.ts'
import { Problem, toProblem } from '../../src/model/problem.ts'
import type { BlobStore, Stage, StageOptions } from '../../src/ports/blob-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Hasher } from '../../src/ports/hasher.ts'
import type { R2BucketLike } from './r2-bucket.ts'
import type { R2Parts } from './r2-parts.ts'
import { createR2Parts, takeParts } from './r2-parts.ts'
import { createR2Stage } from './r2-stage.ts'
import { streamObject } from './r2-stream.ts'
import { sweepParts } from './r2-sweep.ts'

const PREFIX = 'blobs/sha256/'

/** R2 refuses more than one write a second to a key: who loses such a race finds the winner's object. */
const SAME_MOMENT_MS = 10_000

export interface R2BlobsParts {
  readonly hasher: Hasher
  readonly clock: Clock
}

export function createR2Blobs(bucket: R2BucketLike, { hasher, clock }: R2BlobsParts): BlobStore {
  async function keep(parts: R2Parts, sha256: string, size: number): Promise<void> {
    const key = keyOf(sha256)
    try {
      // Also when it is there already: only a new object counts as committed now.
      await parts.assemble(key, sha256)
    } catch (error) {
      const there = await bucket.head(key)
      const isJustKept = there !== null && clock.now() - there.uploaded.getTime() < SAME_MOMENT_MS
      if (!isJustKept || there.size !== size) throw error
    }
    await parts.remove()
  }

  function openStage(parts: R2Parts, digests: StagedDigests, options: StageOptions): Stage {
    return createR2Stage(parts, digests, options, (sha256, size) => keep(parts, sha256, size))
  }

  return {
    open: (sha256, size) =>
      told(`Cannot open blob ${sha256}`, async action => {
        const found = await bucket.head(keyOf(sha256))
        if (found === null || (size ?? found.size) !== found.size) return null
        const whole = { start: 0, end: found.size - 1 }
        return {
          sha256,
          size: found.size,
          stream: range => streamObject(bucket, found.key, range ?? whole, action),
        }
      }),
    async stage(options = {}) {
      return openStage(
        createR2Parts({ bucket, clock }, crypto.randomUUID()),
        createStagedDigests(hasher, options),
        options,
      )
    },
    resume: id =>
      told(`Cannot resume stage ${id}`, async () => {
        const taken = await takeParts({ bucket, clock }, id, options => createStagedDigests(hasher, options))
        return taken === null ? null : openStage(taken.parts, taken.digests, taken.options)
      }),
    remove: (sha256, unlessCommittedSince = Number.POSITIVE_INFINITY) =>
      told(`Cannot remove blob ${sha256}`, async () => {
        const found = await bucket.head(keyOf(sha256))
        if (found === null || found.uploaded.getTime() >= unlessCommittedSince) return false
        await bucket.delete([found.key])
        return true
      }),
    list: cursor =>
      told('Cannot list blobs', async () => {
        const page = await bucket.list({ prefix: PREFIX, cursor })
        const blobs = page.objects.map(({ key, size, uploaded }) => ({
          sha256: key.slice(PREFIX.length),
          size,
          committedAt: uploaded.getTime(),
        }))
        return { blobs, cursor: page.truncated ? (page.cursor ?? null) : null }
      }),
    sweep: before => told('Cannot sweep staged bytes', () => sweepParts(bucket, before, clock.now())),
  }
}

async function told<T>(action: string, work: (action: string) => Promise<T>): Promise<T> {
  try {
    return await work(action)
  } catch (error) {
    throw toProblem(error, 'store-broken', action)
  }
}

function keyOf(sha256: string): string {
  if (isSha256(sha256)) return PREFIX + sha256
  throw new Problem('internal', `Cannot name blob: "${sha256.slice(0, 80)}" is not a sha256`)
}
