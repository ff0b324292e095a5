// The blobs, where the environment wants them: S3 when any of its variables is set, else files below DATA_DIR.

import { Problem } from '../../src/model/problem.ts'
import type { BlobStore } from '../../src/ports/blob-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Resolver, Transport } from '../../src/ports/transport.ts'
import type { Part } from '../../src/services.ts'
import { below } from './data-dir.ts'
import type { Environment } from './environment.ts'
import { createFileBlobs } from './file-blobs.ts'
import { nodeHasher } from './node-hasher.ts'

export interface OpenedBlobs {
  /** What serves: with a disk in front where the store is far. */
  readonly blobs: BlobStore
  /** The store itself: what a scrub reads. */
  readonly store: BlobStore
  readonly part: Part
}

export interface BlobSenses {
  readonly transport: Transport
  readonly resolver: Resolver
  readonly clock: Clock
  readonly log: Log
}

export function openBlobs(environment: Environment, { clock, log }: BlobSenses): OpenedBlobs {
  if (environment.backends.s3 !== null) throw new Problem('not-built', 'Cannot use S3: not built')
  const { dataDir } = environment
  const store = createFileBlobs({ directory: dataDir, hasher: nodeHasher, clock, log })
  return {
    blobs: store,
    store,
    part: {
      name: 'blobs',
      product: `files in ${below(dataDir, 'blobs')}`,
      isNeeded: true,
      check: async () => {
        await store.freeBytes?.()
      },
    },
  }
}
