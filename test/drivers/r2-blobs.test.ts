// Through miniflare, from outside the Worker: the bucket is the platform's own code, only its disk is here.

import { Miniflare } from 'miniflare'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { createR2Blobs } from '../../runtimes/workers/r2-blobs.ts'
import type { R2BucketLike } from '../../runtimes/workers/r2-bucket.ts'
import { listObjects } from '../../runtimes/workers/r2-bucket.ts'
import { commit, describeBlobStore, listAll } from '../contracts/blob-store.ts'
import { bytesOf } from './sample-bytes.ts'

const parts = { hasher: nodeHasher, clock: { now: Date.now, sleep: async () => {} } }
const cannotRead = 'a stage in R2 cannot be read back before it is committed'

describe.skipIf('Bun' in globalThis)('R2 (miniflare needs Node)', () => {
  let miniflare: Miniflare
  let bucket: R2BucketLike

  beforeAll(async () => {
    miniflare = new Miniflare({
      modules: true,
      script: 'export default { fetch: () => new Response(null) }',
      r2Buckets: ['BLOBS'],
    })
    // Its types speak of another standard library's buffers and streams.
    bucket = (await miniflare.getR2Bucket('BLOBS')) as unknown as R2BucketLike
  })
  afterAll(() => miniflare.dispose())

  async function empty(): Promise<void> {
    for await (const { key } of listObjects(bucket, '')) await bucket.delete([key])
  }

  describeBlobStore(
    'R2',
    async () => {
      const open = () => createR2Blobs(bucket, parts)
      return { store: open(), other: open(), close: empty }
    },
    {
      'reads back what was written while writing goes on': cannotRead,
      'reads on after the commit and after the blob was removed': cannotRead,
    },
  )

  it('leaves no part behind when the blob is there', async () => {
    await commit(createR2Blobs(bucket, parts), bytesOf(20_000_000, 1))
    const keys = []
    for await (const { key } of listObjects(bucket, '')) keys.push(key)
    expect(keys).toHaveLength(1)
    await empty()
  })

  it('sweeps a body by its youngest part', async () => {
    const store = createR2Blobs(bucket, parts)
    const stage = await store.stage()
    await stage.write(bytesOf(9_000_000, 2))
    await new Promise(resolve => setTimeout(resolve, 20))
    const between = Date.now()
    await stage.write(bytesOf(9_000_000, 3))
    expect(await store.sweep(between)).toBe(0)
    expect(await store.sweep(Date.now() + 1000)).toBe(1)
    await expect(stage.commit()).rejects.toMatchObject({ code: 'store-broken' })
    expect(await listAll(store)).toEqual([])
  })

  it('fails a stream whose blob went away, rather than ending it', async () => {
    const store = createR2Blobs(bucket, parts)
    const { sha256 } = await commit(store, bytesOf(1000, 4))
    const blob = await store.open(sha256, 1000)
    await store.remove(sha256)
    await expect(blob!.stream().getReader().read()).rejects.toMatchObject({ code: 'store-broken' })
  })

  it('takes a write that R2 refused for coming too soon after another one of the same blob', async () => {
    const bytes = bytesOf(1000, 5)
    await commit(createR2Blobs(bucket, parts), bytes)
    const hasty: R2BucketLike = {
      head: key => bucket.head(key),
      get: key => bucket.get(key),
      put: async () => Promise.reject(new Error('put: reduce your concurrent request rate (10058)')),
      createMultipartUpload: key => bucket.createMultipartUpload(key),
      delete: keys => bucket.delete(keys),
      list: options => bucket.list(options),
    }
    expect(await commit(createR2Blobs(hasty, parts), bytes)).toMatchObject({ size: 1000 })
    const others = commit(createR2Blobs(hasty, parts), bytesOf(1000, 6))
    await expect(others).rejects.toMatchObject({ code: 'store-broken' })
    await empty()
  })
})
