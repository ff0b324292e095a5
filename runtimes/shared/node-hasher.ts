// Hasher on node:crypto: the fastest there is on Bun, Node, Deno and (with nodejs_compat) Workers alike.

import { createHash } from 'node:crypto'
import type { Hasher } from '../../src/ports/hasher.ts'

export const nodeHasher: Hasher = algorithm => {
  const hash = createHash(algorithm)
  return {
    update(chunk) {
      hash.update(chunk)
    },
    hex: () => hash.digest('hex'),
  }
}
