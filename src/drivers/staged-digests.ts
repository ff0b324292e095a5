// The digests of a body being staged, for every blob store: sha256 always, and what the caller expects or
// wants to know. Nothing may become a blob before `finish` was passed.

import type { Algorithm, Digest } from '../model/digest.ts'
import { ALGORITHMS, parseDigest, printDigest } from '../model/digest.ts'
import { Problem } from '../model/problem.ts'
import type { Committed, StageOptions } from '../ports/blob-store.ts'
import type { Hasher } from '../ports/hasher.ts'

export interface StagedDigests {
  update(chunk: Uint8Array): void
  /** Throws `digest-mismatch` when an expected digest differs. The hashes are spent. */
  finish(size: number): Committed
}

export function createStagedDigests(hasher: Hasher, options: StageOptions): StagedDigests {
  const { expected = [], also = [] } = options
  const algorithms = new Set<Algorithm>(['sha256', ...expected.map(digest => digest.algorithm), ...also])
  const hashes = [...algorithms].map(algorithm => ({ algorithm, hash: hasher(algorithm) }))
  return {
    update(chunk) {
      for (const { hash } of hashes) hash.update(chunk)
    },
    finish(size) {
      const digests = hashes.map(({ algorithm, hash }) => ({ algorithm, hex: hash.hex() }))
      for (const digest of expected) refuseMismatch(digest, digests)
      return { sha256: hexOf('sha256', digests), size, digests }
    },
  }
}

function refuseMismatch(expected: Digest, digests: readonly Digest[]): void {
  const hex = hexOf(expected.algorithm, digests)
  if (hex === expected.hex) return
  const actual = printDigest({ algorithm: expected.algorithm, hex })
  throw new Problem(
    'digest-mismatch',
    `Cannot keep body: its digest is ${actual} but ${printDigest(expected)} was expected`,
    { actual, expected: printDigest(expected) },
  )
}

function hexOf(algorithm: Algorithm, digests: readonly Digest[]): string {
  return digests.find(digest => digest.algorithm === algorithm)?.hex ?? ''
}

// A suspended stage has to remember in words what its caller asked for.

/** Lines of `expected <digest>` and `also <algorithm>`. */
export function printStageOptions(options: StageOptions): string {
  const expected = (options.expected ?? []).map(digest => `expected ${printDigest(digest)}\n`)
  const also = (options.also ?? []).map(algorithm => `also ${algorithm}\n`)
  return [...expected, ...also].join('')
}

export function parseStageOptions(text: string): StageOptions {
  const expected: Digest[] = []
  const also: Algorithm[] = []
  for (const line of text.split('\n')) {
    const [word, value = ''] = line.split(' ')
    const digest = word === 'expected' ? parseDigest(value) : null
    if (digest !== null) expected.push(digest)
    const algorithm = word === 'also' ? ALGORITHMS.find(name => name === value) : undefined
    if (algorithm !== undefined) also.push(algorithm)
  }
  return { expected, also }
}
