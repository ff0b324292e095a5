// Digests of bytes as they pass.

import type { Algorithm } from '../model/digest.ts'

export type Hasher = (algorithm: Algorithm) => RunningHash

export interface RunningHash {
  update(chunk: Uint8Array): void
  /** Lower case hexadecimal; the hash is spent. */
  hex(): string
}
