// The digests of a body in a file: taken as it is written, or told at the end by somebody else who took them, or taken
// from the file when nobody did.

import type { StagedDigests } from '../../src/drivers/staged-digests.ts'
import type { Committed } from '../../src/ports/blob-store.ts'

export interface LateDigests extends StagedDigests {
  /** True when `finish` can tell them. */
  readonly areKnown: boolean
  tell(committed: Committed): void
  /** Takes them from the whole body. */
  takeFrom(body: AsyncIterable<Uint8Array>): Promise<void>
}

export function createLateDigests(digests: StagedDigests, areTakenAsWritten: boolean): LateDigests {
  let areKnown = areTakenAsWritten
  let told: Committed | null = null
  return {
    get areKnown() {
      return areKnown
    },
    update(chunk) {
      if (areTakenAsWritten) digests.update(chunk)
    },
    finish: size => told ?? digests.finish(size),
    tell(committed) {
      told = committed
      areKnown = true
    },
    async takeFrom(body) {
      for await (const chunk of body) digests.update(chunk)
      areKnown = true
    },
  }
}
