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
const MINUTE_MS = 60_000
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
    bucket = fromOutside((await miniflare.getR2Bucket('BLOBS')) as unknown as R2BucketLike)
  })
  afterAll(() => miniflare.dispose())

  async function empty(): Promise<void> {
    for await (const { key } of listObjects(bucket, '')) await bucket.delete([key])
  }

  async function keys(): Promise<string[]> {
    const found = []
    for await (const { key } of listObjects(bucket, '')) found.push(key)
    return found
  }

  /** Another process, so many minutes from now. */
  function later(minutes: number) {
    const clock = { ...parts.clock, now: () => Date.now() + minutes * MINUTE_MS }
    return createR2Blobs(bucket, { ...parts, clock })
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
    expect(await keys()).toHaveLength(1)
    await empty()
  })

  it('spares a body that is being written, and sweeps it when its writer has been silent for an hour', async () => {
    const store = createR2Blobs(bucket, parts)
    const stage = await store.stage()
    await stage.write(bytesOf(9_000_000, 2))
    expect(await store.sweep(Date.now() + 1000)).toBe(0)
    expect(await later(59).sweep(Date.now() + 60 * MINUTE_MS)).toBe(0)
    expect(await later(61).sweep(Date.now() + 60 * MINUTE_MS)).toBe(1)
    await expect(stage.commit()).rejects.toMatchObject({ code: 'store-broken' })
    expect(await listAll(store)).toEqual([])
  })

  it('spares a body that grows by a few bytes a minute, and one that is resumed', async () => {
    let passedMs = 0
    const slow = createR2Blobs(bucket, {
      ...parts,
      clock: { ...parts.clock, now: () => Date.now() + passedMs },
    })
    const stage = await slow.stage()
    await stage.write(bytesOf(9_000_000, 7))
    await stage.suspend()
    const resumed = await slow.resume(stage.id)
    const written = await keys()
    passedMs = 6 * MINUTE_MS
    await resumed!.write(bytesOf(10, 8))
    // What shows that it lives is an object of its own, as young as the last bytes.
    expect((await keys()).filter(key => !written.includes(key))).toEqual([`staging/${stage.id}/alive`])
    expect(await createR2Blobs(bucket, parts).sweep(Date.now() + 1000)).toBe(0)
    expect(await resumed!.commit()).toMatchObject({ size: 9_000_010 })
    expect(await keys()).toHaveLength(1)
    await empty()
  })

  it('sweeps many bodies, few at a time, wherever it begins', async () => {
    const abandoned = async (number: number) => {
      for (const part of ['00001', 'suspended'])
        await bucket.put(
          `staging/${number.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000/${part}`,
          '',
        )
    }
    const numbers = Array.from({ length: 30 }, (_, i) => i * 0x0888_8888)
    for (const number of numbers) await abandoned(number)
    const narrow: R2BucketLike = {
      ...bucket,
      list: options => bucket.list({ ...options, limit: 3 } as never),
    }
    const store = createR2Blobs(narrow, parts)
    let swept = 0
    let calls = 0
    for (; swept < 30 && calls < 20; calls++) {
      const some = await store.sweep(Date.now() + 1000)
      // Twelve pages of three are at most eighteen bodies of two objects, and the last may not be whole.
      expect(some).toBeLessThanOrEqual(18)
      swept += some
    }
    expect([swept, await keys()]).toEqual([30, []])
    expect(calls).toBeGreaterThan(1)
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
    const refusal = new Error('put: reduce your concurrent request rate (10058)')
    const hasty: R2BucketLike = { ...bucket, put: () => Promise.reject(refusal) }
    expect(await commit(createR2Blobs(hasty, parts), bytes)).toMatchObject({ size: 1000 })
    const others = commit(createR2Blobs(hasty, parts), bytesOf(1000, 6))
    await expect(others).rejects.toMatchObject({ code: 'store-broken' })
    await empty()
  })
})

/** A bucket is a proxy here, which cannot be spread, and whose uploads take no streams. */
function fromOutside(bucket: R2BucketLike): R2BucketLike {
  return {
    head: key => bucket.head(key),
    get: (key, options) => bucket.get(key, options),
    put: (key, value, options) => bucket.put(key, value, options),
    async createMultipartUpload(key) {
      const upload = await bucket.createMultipartUpload(key)
      return {
        async uploadPart(number, value) {
          const bytes = value instanceof ReadableStream ? await new Response(value).bytes() : value
          return upload.uploadPart(number, bytes)
        },
        complete: parts => upload.complete(parts),
        abort: () => upload.abort(),
      }
    },
    delete: keys => bucket.delete(keys),
    list: options => bucket.list(options),
  }
}
