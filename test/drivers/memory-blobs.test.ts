import { describe, expect, it } from 'vitest'
import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { createMemoryBlobs } from '../../src/drivers/memory-blobs.ts'
import { commit, describeBlobStore, expectNothing } from '../contracts/blob-store.ts'
import { bytesOf } from './sample-bytes.ts'

const parts = { hasher: nodeHasher, clock: { now: Date.now, sleep: async () => {} } }

describeBlobStore('memory', async () => {
  const store = createMemoryBlobs(parts)
  return { store, other: store, close: async () => {} }
})

describe('memory blobs with a limit', () => {
  it('refuses what does not fit, known beforehand or not', async () => {
    const store = createMemoryBlobs({ ...parts, limitBytes: 1000 })
    await expect(store.stage({ size: 1001 })).rejects.toMatchObject({ code: 'store-full' })
    const stage = await store.stage()
    await stage.write(bytesOf(600, 1))
    await expect(stage.write(bytesOf(401, 2))).rejects.toMatchObject({ code: 'store-full' })
    await stage.discard()
    await expectNothing(store)
    expect(await store.freeBytes?.()).toBe(1000)
  })

  it('has the room back after removal, refusal and sweep', async () => {
    const store = createMemoryBlobs({ ...parts, limitBytes: 1000 })
    const { sha256 } = await commit(store, bytesOf(900, 1))
    await store.remove(sha256)
    const refused = await store.stage({ expected: [{ algorithm: 'md5', hex: 'a'.repeat(32) }] })
    await refused.write(bytesOf(900, 2))
    await expect(refused.commit()).rejects.toMatchObject({ code: 'digest-mismatch' })
    const suspended = await store.stage()
    await suspended.write(bytesOf(900, 3))
    await suspended.suspend()
    expect(await store.sweep(Date.now() + 1000)).toBe(1)
    expect(await store.freeBytes?.()).toBe(1000)
  })
})
