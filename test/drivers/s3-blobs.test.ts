// On a real Ceph RGW, through the transport of the runtime that runs the tests.

import { afterAll, beforeAll, describe } from 'vitest'
import type { Transport } from '../../src/ports/transport.ts'
import { describeBlobLinks, describeBlobStore, type OpenedBlobStore } from '../contracts/blob-store.ts'
import { hasS3, S3_NEEDS, type S3Service, startS3 } from '../services/s3.ts'
import { openS3Store, openTransport } from './s3-store.ts'

const cannotRead = 'a stage in S3 cannot be read back before it is committed'

describe.skipIf(!hasS3())(`S3 (${S3_NEEDS})`, () => {
  let s3: S3Service
  let transport: Transport
  let buckets = 0

  beforeAll(async () => {
    s3 = await startS3()
    transport = await openTransport()
  })
  afterAll(async () => {
    await transport.close()
    await s3.stop()
  })

  const name = 'Bun' in globalThis ? "Ceph by Bun's fetch" : 'Ceph by undici'

  async function open(): Promise<OpenedBlobStore> {
    const options = s3.options(`contract-${++buckets}`)
    const store = openS3Store(transport, { options })
    await store.checkBucket()
    return { store, other: openS3Store(transport, { options }), close: async () => {} }
  }

  describeBlobStore(name, open, {
    'reads back what was written while writing goes on': cannotRead,
    'reads on after the commit and after the blob was removed': cannotRead,
  })
  describeBlobLinks(name, open)
})
