// One body on its way into R2: hashed as it comes, handed on in parts.

import type { StagedDigests } from '../../src/drivers/staged-digests.ts'
import { Problem, toProblem } from '../../src/model/problem.ts'
import type { Stage, StageOptions } from '../../src/ports/blob-store.ts'
import type { R2Parts } from './r2-parts.ts'

export function createR2Stage(
  parts: R2Parts,
  digests: StagedDigests,
  options: StageOptions,
  keep: (sha256: string, size: number) => Promise<void>,
): Stage {
  const { id } = parts
  let isSpent = false

  function refuseSpent(action: string): void {
    if (isSpent) throw new Problem('internal', `Cannot ${action} stage ${id}: it is spent`)
  }

  async function write(chunk: Uint8Array): Promise<void> {
    refuseSpent('write to')
    digests.update(chunk)
    try {
      await parts.add(chunk)
    } catch (error) {
      throw toProblem(error, 'store-broken', `Cannot write stage ${id}`)
    }
  }

  return {
    id,
    get offset() {
      return parts.size
    },
    write,
    async commit(announce) {
      refuseSpent('commit')
      isSpent = true
      try {
        const committed = digests.finish(parts.size)
        await announce?.(committed)
        await keep(committed.sha256, committed.size)
        return committed
      } catch (error) {
        await parts.remove().catch(() => {})
        throw toProblem(error, 'store-broken', `Cannot commit stage ${id}`)
      }
    },
    async suspend() {
      refuseSpent('suspend')
      isSpent = true
      try {
        await parts.putAway(options)
      } catch (error) {
        throw toProblem(error, 'store-broken', `Cannot suspend stage ${id}`)
      }
    },
    async discard() {
      if (isSpent) return
      isSpent = true
      await parts.remove()
    },
  }
}
