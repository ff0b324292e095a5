// The blobs, where the environment wants them: S3 when any of its variables is set, and only then is its code loaded; else
// files below DATA_DIR.

import { below } from './data-dir.ts'
import type { Environment } from './environment.ts'
import { createFileBlobs } from './file-blobs.ts'
import { nodeHasher } from './node-hasher.ts'
import type { BlobSenses, OpenedBlobs } from './opened-stores.ts'

export async function openBlobs(environment: Environment, senses: BlobSenses): Promise<OpenedBlobs> {
  const { s3, blobCache } = environment.backends
  if (s3 === null) return openFiles(environment, senses)
  const { openS3 } = await import('./open-s3.ts')
  return openS3(s3, blobCache, senses)
}

function openFiles({ dataDir }: Environment, { clock, log }: BlobSenses): OpenedBlobs {
  const store = createFileBlobs({ directory: dataDir, hasher: nodeHasher, clock, log })
  const part = {
    name: 'blobs',
    product: `files in ${below(dataDir, 'blobs')}`,
    isNeeded: true,
    check: async () => {
      await store.freeBytes?.()
    },
  }
  return { blobs: store, store, parts: [part] }
}
