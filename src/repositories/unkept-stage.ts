// A stage that keeps nothing: bodies that the store cannot take are still hashed, so that a wrong one is never
// passed to its end.

import { type Digest, printDigest } from '../model/digest.ts'
import { Problem } from '../model/problem.ts'
import type { Stage } from '../ports/blob-store.ts'
import type { Hasher } from '../ports/hasher.ts'

export function createUnkeptStage(hasher: Hasher, expected: readonly Digest[]): Stage {
  const hashes = expected.map(digest => ({ digest, running: hasher(digest.algorithm) }))
  let offset = 0
  return {
    id: 'unkept',
    get offset() {
      return offset
    },
    async write(chunk) {
      offset += chunk.byteLength
      for (const { running } of hashes) running.update(chunk)
    },
    async commit() {
      for (const { digest, running } of hashes) {
        const hex = running.hex()
        if (hex !== digest.hex) {
          throw new Problem(
            'digest-mismatch',
            `Cannot pass body on: digest is ${digest.algorithm}:${hex} but ${printDigest(digest)} was expected`,
          )
        }
      }
      return { sha256: '', size: offset, digests: [] }
    },
    async suspend() {},
    async discard() {},
  }
}
