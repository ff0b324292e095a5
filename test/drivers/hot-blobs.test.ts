import { describe, expect, it } from 'vitest'
import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { withHotBlobs } from '../../src/drivers/hot-blobs.ts'
import { createMemoryBlobs } from '../../src/drivers/memory-blobs.ts'
import type { BlobStore, StoredBlob } from '../../src/ports/blob-store.ts'
import { collect, commit, describeBlobStore, hashOf, same } from '../contracts/blob-store.ts'
import { bytesOf } from './sample-bytes.ts'

describeBlobStore('hot in front of memory', async () => {
  const { store } = counted()
  return {
    store: withHotBlobs(store, { hasher: nodeHasher, limitBytes: 1_000_000 }),
    other: store,
    close: async () => {},
  }
})

describe('hot blobs', () => {
  it('asks the store below no more once a small blob is at hand', async () => {
    const { store, asked } = counted()
    const hot = withHotBlobs(store, { hasher: nodeHasher, limitBytes: 1_000_000 })
    const bytes = bytesOf(5000, 1)
    const { sha256 } = await commit(hot, bytes)
    expect(hot.peek(sha256)).toBeNull()
    await hot.open(sha256, 5000)
    const before = { ...asked }
    const again = await hot.open(sha256, 5000)
    expect(same(again!.bytes!, bytes)).toBe(true)
    expect(same(hot.peek(sha256)!, bytes)).toBe(true)
    expect(same(await collect(again!.stream({ start: 10, end: 19 })), bytes.subarray(10, 20))).toBe(true)
    expect(asked).toEqual(before)
  })

  it('reads a blob once for a hundred who ask at once', async () => {
    const { store, asked } = counted()
    const hot = withHotBlobs(store, { hasher: nodeHasher, limitBytes: 1_000_000 })
    const { sha256 } = await commit(hot, bytesOf(5000, 2))
    const opened = await Promise.all(Array.from({ length: 100 }, () => hot.open(sha256)))
    expect(opened.every(blob => blob?.bytes?.length === 5000)).toBe(true)
    expect(asked.streams).toBe(1)
  })

  it('takes a body whose bytes were changed below for missing', async () => {
    const { store } = counted()
    const { sha256 } = await commit(store, bytesOf(5000, 21))
    const flipped = bytesOf(5000, 21)
    flipped[2500]! ^= 1
    const damaged: BlobStore = {
      ...store,
      open: async () => ({ sha256, size: 5000, stream: () => new Response(flipped.slice()).body! }),
    }
    expect(await withHotBlobs(damaged, { hasher: nodeHasher, limitBytes: 1_000_000 }).open(sha256)).toBeNull()
    expect(
      await withHotBlobs(store, { hasher: nodeHasher, limitBytes: 1_000_000 }).open(sha256),
    ).not.toBeNull()
  })

  it('leaves larger bodies to the store', async () => {
    const { store, asked } = counted()
    const hot = withHotBlobs(store, { hasher: nodeHasher, limitBytes: 1_000_000, bodyLimitBytes: 4999 })
    const { sha256 } = await commit(hot, bytesOf(5000, 3))
    expect((await hot.open(sha256))?.bytes).toBeUndefined()
    expect(asked.streams).toBe(0)
    expect(hot.usedBytes).toBe(0)
  })

  it('lets the least recently used go, and stays below its limit', async () => {
    const hot = withHotBlobs(counted().store, { hasher: nodeHasher, limitBytes: 34_000 })
    const names: string[] = []
    for (let seed = 0; seed < 3; seed++) names.push((await commit(hot, bytesOf(10_000, seed))).sha256)
    for (const name of names) await hot.open(name)
    hot.peek(names[0]!)
    const { sha256 } = await commit(hot, bytesOf(10_000, 9))
    await hot.open(sha256)
    expect(names.map(name => hot.peek(name) !== null)).toEqual([true, false, true])
    expect(hot.usedBytes).toBeLessThanOrEqual(34_000)
    expect(hot.usedBytes).toBeGreaterThanOrEqual(30_000)
  })

  it('gives no other size than asked for, even at hand', async () => {
    const hot = withHotBlobs(counted().store, { hasher: nodeHasher, limitBytes: 1_000_000 })
    const { sha256 } = await commit(hot, bytesOf(5000, 4))
    await hot.open(sha256)
    expect(await hot.open(sha256, 4999)).toBeNull()
  })

  it('forgets what is removed, also while it is being read', async () => {
    const { store } = counted(20)
    const hot = withHotBlobs(store, { hasher: nodeHasher, limitBytes: 1_000_000 })
    const { sha256 } = await commit(hot, bytesOf(5000, 5))
    const opening = hot.open(sha256)
    await new Promise(resolve => setTimeout(resolve, 5))
    await hot.remove(sha256)
    await opening
    expect(hot.peek(sha256)).toBeNull()
    expect(await hot.open(sha256)).toBeNull()
    expect(hot.usedBytes).toBe(0)
  })

  it('forgets what is committed again', async () => {
    const hot = withHotBlobs(counted().store, { hasher: nodeHasher, limitBytes: 1_000_000 })
    const { sha256 } = await commit(hot, bytesOf(5000, 6))
    await hot.open(sha256)
    await commit(hot, bytesOf(5000, 6))
    expect(hot.peek(sha256)).toBeNull()
    expect(hot.usedBytes).toBe(0)
  })

  it('has nothing when the blob is gone between being found and being read', async () => {
    const { store } = counted()
    const gone: BlobStore = {
      ...store,
      async open(sha256, size) {
        const blob = await store.open(sha256, size)
        await store.remove(sha256)
        return blob === null ? null : { ...blob, stream: () => failing('it went away') }
      },
    }
    const hot = withHotBlobs(gone, { hasher: nodeHasher, limitBytes: 1_000_000 })
    const { sha256 } = await commit(gone, bytesOf(5000, 7))
    expect(await hot.open(sha256)).toBeNull()
  })

  it('fails, and remembers nothing, when a blob that is there cannot be read', async () => {
    const { store } = counted()
    let isBroken = true
    const broken: BlobStore = {
      ...store,
      async open(sha256, size) {
        const blob = await store.open(sha256, size)
        return blob === null || !isBroken ? blob : { ...blob, stream: () => failing('the disk hums') }
      },
    }
    const hot = withHotBlobs(broken, { hasher: nodeHasher, limitBytes: 1_000_000 })
    const { sha256 } = await commit(hot, bytesOf(5000, 8))
    await expect(hot.open(sha256)).rejects.toThrow('the disk hums')
    isBroken = false
    expect(hashOf('sha256', (await hot.open(sha256))!.bytes!)).toBe(sha256)
  })
})

/** A memory store that hands out no bytes, as a disk would, and counts what it is asked. */
function counted(delayMs = 0): { store: BlobStore; asked: { opens: number; streams: number } } {
  const memory = createMemoryBlobs({ hasher: nodeHasher, clock: { now: Date.now, sleep: async () => {} } })
  const asked = { opens: 0, streams: 0 }
  const store: BlobStore = {
    ...memory,
    async open(sha256, size): Promise<StoredBlob | null> {
      asked.opens += 1
      const blob = await memory.open(sha256, size)
      if (blob === null) return null
      return {
        sha256,
        size: blob.size,
        stream(range) {
          asked.streams += 1
          return blob.stream(range).pipeThrough(delayed(delayMs))
        },
      }
    },
  }
  return { store, asked }
}

function delayed(ms: number): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    async transform(chunk, controller) {
      if (ms > 0) await new Promise(resolve => setTimeout(resolve, ms))
      controller.enqueue(chunk)
    },
  })
}

function failing(message: string): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull() {
      throw new Error(message)
    },
  })
}
