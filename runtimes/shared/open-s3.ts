// The blobs in an S3 bucket, with a part of the local disk in front of it.

import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { createS3Blobs } from '../../src/drivers/s3-blobs.ts'
import { isPassing } from '../../src/drivers/s3-problems.ts'
import { placeOf, type S3Options } from '../../src/drivers/s3-requests.ts'
import { createServiceLink } from '../../src/drivers/service-link.ts'
import { Problem } from '../../src/model/problem.ts'
import type { BlobStore } from '../../src/ports/blob-store.ts'
import { type DiskCacheOptions, withDiskCache } from './disk-cached-blobs.ts'
import type { Environment } from './environment.ts'
import { nodeHasher } from './node-hasher.ts'
import type { BlobSenses, OpenedBlobs } from './opened-stores.ts'

/** Throws when S3 answers and cannot be used: nothing that is wrong with its variables mends itself. */
export async function openS3(
  options: S3Options,
  blobCache: Environment['backends']['blobCache'],
  { transport, resolver, clock, log }: BlobSenses,
): Promise<OpenedBlobs> {
  const link = createServiceLink({ transport, resolver, clock, ca: options.ca })
  const store = createS3Blobs({ options, link, hasher: nodeHasher, clock, log })
  await store.checkBucket().catch(error => {
    if (!isPassing(error)) throw error
    log.warn('S3 is away; the bucket is looked for again', { error })
  })
  const part = {
    name: 'blobs',
    product: placeOf(options),
    isNeeded: true,
    check: () => store.checkBucket(),
  }
  if (blobCache === null) return { blobs: store, store, parts: [part] }
  const { directory, limitBytes } = blobCache
  const blobs = openCache(store, { directory, limitBytes, hasher: nodeHasher, clock, log })
  const cache = {
    name: 'blob cache',
    product: `at most ${limitBytes} bytes in ${directory}`,
    isNeeded: false,
    check: () => access(directory, constants.W_OK),
  }
  return { blobs, store, parts: [part, cache] }
}

function openCache(store: BlobStore, options: DiskCacheOptions): BlobStore {
  try {
    return withDiskCache(store, options)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Problem(
      'store-broken',
      `Cannot write to BLOB_CACHE_DIR ${options.directory}: ${reason}. Set it to another directory, or BLOB_CACHE_SIZE to 0`,
      {},
      { cause: error },
    )
  }
}
