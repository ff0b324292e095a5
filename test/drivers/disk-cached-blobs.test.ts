import { mkdtemp, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { withDiskCache } from '../../runtimes/shared/disk-cached-blobs.ts'
import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { createMemoryBlobs } from '../../src/drivers/memory-blobs.ts'
import { streamBytes } from '../../src/drivers/stream-bytes.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import { Problem } from '../../src/model/problem.ts'
import type { BlobStore, StageOptions, StoredBlob } from '../../src/ports/blob-store.ts'
import type { Transport } from '../../src/ports/transport.ts'
import { collect, commit, describeBlobStore, hashOf, listAll, same } from '../contracts/blob-store.ts'
import { listLog } from '../list-log.ts'
import { hasS3, S3_NEEDS, type S3Service, startS3 } from '../services/s3.ts'
import { openS3Store, openTransport } from './s3-store.ts'
import { bytesOf } from './sample-bytes.ts'

const MB = 1024 * 1024
const clock = createSystemClock()

describeBlobStore('a disk in front of memory', async () => {
  const store = createMemoryBlobs({ hasher: nodeHasher, clock })
  const directory = await mkdtemp(join(tmpdir(), 'disk-cache-'))
  const open = (name: string) => cacheOf(store, join(directory, name), 100 * MB)
  return { store: open('one'), other: open('other'), close: () => clear(directory) }
})

describeBlobStore('a disk shared by two in front of memory', async () => {
  const store = createMemoryBlobs({ hasher: nodeHasher, clock })
  const directory = await mkdtemp(join(tmpdir(), 'disk-cache-'))
  const open = () => cacheOf(store, directory, 100 * MB)
  return { store: open(), other: open(), close: () => clear(directory) }
})

describe.skipIf(!hasS3())(`a disk in front of S3 (${S3_NEEDS})`, () => {
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

  describeBlobStore('a disk in front of S3', async () => {
    const options = s3.options(`cached-${++buckets}`)
    const directory = await mkdtemp(join(tmpdir(), 'disk-cache-'))
    const store = openS3Store(transport, { options })
    await store.checkBucket()
    const other = openS3Store(transport, { options })
    return {
      store: cacheOf(store, join(directory, 'one'), 100 * MB),
      other: cacheOf(other, join(directory, 'other'), 100 * MB),
      close: () => clear(directory),
    }
  })
})

describe('what lies on the disk', () => {
  it('is answered as a file, without asking the store', async () => {
    const { far, cache } = await setUp()
    const bytes = bytesOf(300_000, 1)
    const { sha256 } = await commit(cache, bytes)
    far.isAway = true
    far.asked.length = 0
    const blob = await cache.open(sha256, bytes.length)
    expect((await stat(blob!.path!)).size).toBe(bytes.length)
    expect(same(await collect(blob!.stream()), bytes)).toBe(true)
    const part = await collect(blob!.stream({ start: 1000, end: 1999 }))
    expect(same(part, bytes.subarray(1000, 2000))).toBe(true)
    expect(far.asked).toEqual([])
  })

  it('is known after a restart too', async () => {
    const { far, cache, directory } = await setUp()
    const { sha256 } = await commit(cache, bytesOf(10_000, 2))
    far.isAway = true
    const again = cacheOf(far.store, directory, 100 * MB)
    expect((await again.open(sha256, 10_000))?.path).toBeDefined()
  })

  it('is dropped when its size is wrong, and read from the store', async () => {
    const { cache } = await setUp()
    const bytes = bytesOf(300_000, 3)
    const { sha256 } = await commit(cache, bytes)
    await truncate((await cache.open(sha256, bytes.length))!.path!, 1000)
    const blob = await cache.open(sha256, bytes.length)
    expect(same(await collect(blob!.stream()), bytes)).toBe(true)
  })

  it('is gone on with from the store when it is cut or goes while it is read', async () => {
    const { cache } = await setUp()
    const bytes = bytesOf(3_000_000, 4)
    for (const harm of [(path: string) => truncate(path, 600_000), (path: string) => rm(path)]) {
      const { sha256 } = await commit(cache, bytes)
      const blob = await cache.open(sha256, bytes.length)
      await harm(blob!.path!)
      expect(same(await collect(blob!.stream()), bytes)).toBe(true)
    }
  })

  it('is read back when it is used, and dropped when its bytes are others', async () => {
    const { far, cache, directory, logged } = await setUp()
    const bytes = bytesOf(300_000, 6)
    const { sha256 } = await commit(cache, bytes)
    const { path = '' } = (await cache.open(sha256, bytes.length))!
    const wrong = bytes.slice()
    wrong[150_000]! ^= 1
    await writeFile(path, wrong)
    // What was made here is trusted for a day, what is found is not.
    const again = cacheOf(far.store, directory, 100 * MB, logged)
    await again.open(sha256, bytes.length)
    await eventually(async () => (await entriesIn(directory)).length === 0)
    expect(logged).toContain('warn Cached blob is damaged: its bytes are others')
    expect(same(await collect((await again.open(sha256, bytes.length))!.stream()), bytes)).toBe(true)
  })

  it('goes with its blob', async () => {
    const { cache, directory } = await setUp()
    const { sha256 } = await commit(cache, bytesOf(10_000, 5))
    await cache.remove(sha256)
    expect(await entriesIn(directory)).toEqual([])
    expect(await cache.open(sha256, 10_000)).toBeNull()
  })
})

describe('what is read from the store', () => {
  it('is a file from the beginning when it is small, read once for all who ask', async () => {
    const { far, cache } = await setUp()
    const bytes = bytesOf(1_000_000, 10)
    const { sha256 } = await commit(far.store, bytes)
    const opened = await Promise.all(Array.from({ length: 20 }, () => cache.open(sha256, bytes.length)))
    expect(opened.every(blob => blob?.path !== undefined)).toBe(true)
    expect(far.asked.filter(what => what === 'stream')).toHaveLength(1)
    expect(same(await collect(opened[0]!.stream()), bytes)).toBe(true)
  })

  it('comes onto the disk in the same pass when it is large', async () => {
    const { far, cache, directory } = await setUp()
    const bytes = bytesOf(9_000_000, 11)
    const { sha256 } = await commit(far.store, bytes)
    const blob = await cache.open(sha256, bytes.length)
    expect(blob?.path).toBeUndefined()
    expect(await entriesIn(directory)).toEqual([])
    expect(same(await collect(blob!.stream()), bytes)).toBe(true)
    await eventually(async () => (await cache.open(sha256, bytes.length))?.path !== undefined)
    expect(far.asked.filter(what => what === 'stream')).toHaveLength(1)
    far.isAway = true
    const kept = await cache.open(sha256, bytes.length)
    expect(same(await collect(kept!.stream()), bytes)).toBe(true)
  })

  it('comes onto the disk from a reader in a hurry too', async () => {
    const { far, cache } = await setUp({ limitBytes: 1000 * MB })
    const bytes = bytesOf(300 * MB, 17)
    const { sha256 } = await commit(far.store, bytes, {}, 10 * MB)
    let seen = 0
    for await (const chunk of (await cache.open(sha256, bytes.length))!.stream()) seen += chunk.byteLength
    expect(seen).toBe(bytes.length)
    await eventually(async () => (await cache.open(sha256, bytes.length))?.path !== undefined, 15_000)
    const kept = await cache.open(sha256, bytes.length)
    expect(same(await collect(kept!.stream()), bytes)).toBe(true)
  })

  it('stays away when only a part of it is read, or it is left', async () => {
    const { far, cache, directory } = await setUp()
    const bytes = bytesOf(9_000_000, 12)
    const { sha256 } = await commit(far.store, bytes)
    const blob = await cache.open(sha256, bytes.length)
    const part = await collect(blob!.stream({ start: 0, end: 8_000_000 }))
    expect(same(part, bytes.subarray(0, 8_000_001))).toBe(true)
    const reader = blob!.stream().getReader()
    await reader.read()
    await reader.read()
    await reader.cancel()
    await eventually(async () => (await stagedIn(directory)).length === 0)
    expect(await entriesIn(directory)).toEqual([])
  })

  it('never comes to its end when its bytes are wrong, and is not kept', async () => {
    const { far, cache, directory, logged } = await setUp()
    const bytes = bytesOf(9_000_000, 13)
    const { sha256 } = await commit(far.store, bytes)
    far.change = blob => ({
      ...blob,
      stream: () => {
        const wrong = bytes.slice()
        wrong[5_000_000]! ^= 1
        return streamBytes(wrong)
      },
    })
    const blob = await cache.open(sha256, bytes.length)
    let seen = 0
    const reading = async () => {
      for await (const chunk of blob!.stream()) seen += chunk.byteLength
    }
    await expect(reading()).rejects.toMatchObject({ code: 'store-broken' })
    expect(seen).toBeLessThan(bytes.length)
    await eventually(async () => (await stagedIn(directory)).length === 0)
    expect(await entriesIn(directory)).toEqual([])
    expect(logged.filter(line => line.startsWith('error'))).toEqual([])
  })

  it('is as good as gone when it is small and its bytes are wrong', async () => {
    const { far, cache } = await setUp()
    const bytes = bytesOf(1000, 14)
    const { sha256 } = await commit(far.store, bytes)
    far.change = blob => ({ ...blob, stream: () => streamBytes(bytesOf(1000, 15)) })
    expect(await cache.open(sha256, 1000)).toBeNull()
  })
})

describe('the size of the disk cache', () => {
  it('is kept by letting the least recently used go', async () => {
    const { cache, directory } = await setUp({ limitBytes: 10 * MB })
    const names: string[] = []
    for (let i = 0; i < 9; i++) names.push((await commit(cache, bytesOf(MB, 20 + i))).sha256)
    await age(directory)
    const again = cacheOf((await setUp()).far.store, directory, 10 * MB)
    // The oldest of all, but used again.
    expect((await again.open(names[0]!, MB))?.path).toBeDefined()
    const { sha256 } = await commit(again, bytesOf(3 * MB, 30))
    const kept = await entriesIn(directory)
    expect(kept).toContain(names[0])
    expect(kept).toContain(sha256)
    expect(kept).toContain(names[8])
    expect(kept).not.toContain(names[1])
    expect(kept).not.toContain(names[2])
    expect(await bytesIn(directory)).toBeLessThanOrEqual(10 * MB)
  })

  it('is kept by several who share it', async () => {
    const { far, directory, cache } = await setUp({ limitBytes: 16 * MB })
    const caches = [cache, cacheOf(far.store, directory, 16 * MB), cacheOf(far.store, directory, 16 * MB)]
    for (let i = 0; i < 60; i++) {
      await commit(caches[i % 3]!, bytesOf(MB, 100 + i))
      await age(directory)
    }
    const bytes = await bytesIn(directory)
    expect(bytes).toBeLessThanOrEqual(19 * MB)
    expect(bytes).toBeGreaterThan(8 * MB)
  })

  it('is kept even where everything in it is in use: then nothing new comes in', async () => {
    const { cache, directory } = await setUp({ limitBytes: 4 * MB })
    for (let i = 0; i < 8; i++) await commit(cache, bytesOf(MB, 200 + i))
    expect(await entriesIn(directory)).toHaveLength(4)
    expect(await stagedIn(directory)).toEqual([])
  })

  it('leaves out what is larger than all of it', async () => {
    const { far, cache, directory } = await setUp({ limitBytes: 4 * MB })
    const bytes = bytesOf(5 * MB, 40)
    const stage = await cache.stage({ size: bytes.length })
    expect(stage.read).toBeUndefined()
    await stage.write(bytes.slice())
    const { sha256 } = await stage.commit()
    await stage.close?.()
    expect(same(await collect((await cache.open(sha256, bytes.length))!.stream()), bytes)).toBe(true)
    expect(await entriesIn(directory)).toEqual([])
    expect(await listAll(far.store)).toHaveLength(1)
    const scratch = cache.stage({ size: bytes.length, isScratch: true })
    await expect(scratch).rejects.toMatchObject({ code: 'store-full' })
  })
})

describe('a stage', () => {
  it('that is scratch says nothing to the store before its commit', async () => {
    const { far, cache } = await setUp()
    const bytes = bytesOf(9_000_000, 50)
    const stage = await cache.stage({ isScratch: true })
    await stage.write(bytes.slice())
    expect(same(await stage.read!(100, 1000), bytes.subarray(100, 1100))).toBe(true)
    expect(far.asked).toEqual([])
    const { sha256 } = await stage.commit()
    await stage.close?.()
    expect(far.stagedWith).toMatchObject([{ expected: [{ hex: sha256 }], size: bytes.length }])
    expect((await cache.open(sha256, bytes.length))?.path).toBeDefined()
  })

  it('outlives a store that fails in the middle, and is announced once', async () => {
    const { far, cache } = await setUp()
    const bytes = bytesOf(6_000_000, 51)
    const stage = await cache.stage({ expected: [{ algorithm: 'sha1', hex: hashOf('sha1', bytes) }] })
    await stage.write(bytes.slice(0, 2_000_000))
    far.isAway = true
    await stage.write(bytes.slice(2_000_000, 4_000_000))
    far.isAway = false
    await stage.write(bytes.slice(4_000_000))
    expect(same(await stage.read!(0, 6_000_000), bytes)).toBe(true)
    const { announced, announce } = announcements()
    const committed = await stage.commit(announce)
    await stage.close?.()
    expect(committed.sha256).toBe(hashOf('sha256', bytes))
    expect(announced).toEqual([committed.sha256])
    expect(same(await collect((await far.store.open(committed.sha256))!.stream()), bytes)).toBe(true)
  })

  it('outlives a store that fails at the commit, for a while', async () => {
    const { far, cache } = await setUp()
    const bytes = bytesOf(2_000_000, 52)
    const stage = await cache.stage()
    await stage.write(bytes.slice())
    far.isAway = true
    setTimeout(() => (far.isAway = false), 500)
    const { announced, announce } = announcements()
    const committed = await stage.commit(announce)
    await stage.close?.()
    expect(announced).toEqual([committed.sha256])
    expect(same(await collect((await far.store.open(committed.sha256))!.stream()), bytes)).toBe(true)
  })

  it('is begun while the store is away, and fails when it does not come back', async () => {
    const { far, cache, directory } = await setUp()
    far.isAway = true
    const stage = await cache.stage({ size: 1000 })
    await stage.write(bytesOf(1000, 53))
    await expect(stage.commit()).rejects.toMatchObject({ code: 'store-broken' })
    await stage.close?.()
    expect(await entriesIn(directory)).toEqual([])
    expect(await stagedIn(directory)).toEqual([])
  }, 30_000)

  it('refuses an unexpected digest after the store failed as before', async () => {
    const { far, cache } = await setUp()
    const stage = await cache.stage({ expected: [{ algorithm: 'md5', hex: 'e'.repeat(32) }] })
    far.isAway = true
    await stage.write(bytesOf(1000, 54))
    far.isAway = false
    await expect(stage.commit()).rejects.toMatchObject({ code: 'digest-mismatch' })
    await stage.close?.()
    expect(await listAll(far.store)).toEqual([])
  })

  it('that cannot be announced is not sent again', async () => {
    const { far, cache } = await setUp()
    const stage = await cache.stage()
    await stage.write(bytesOf(1000, 55))
    const refusal = stage.commit(async () => {
      throw new Problem('store-broken', 'no books')
    })
    await expect(refusal).rejects.toThrow('no books')
    await stage.close?.()
    expect(far.stagedWith).toHaveLength(1)
    expect(await listAll(far.store)).toEqual([])
  })

  it('is put away on this machine when the store is away, and resumed', async () => {
    const { far, cache } = await setUp()
    const bytes = bytesOf(2_000_000, 56)
    const stage = await cache.stage({ also: ['md5'] })
    await stage.write(bytes.slice(0, 1_000_000))
    far.isAway = true
    await stage.suspend()
    await stage.close?.()
    far.isAway = false
    const again = await cache.resume(stage.id)
    expect(again?.offset).toBe(1_000_000)
    await again!.write(bytes.slice(1_000_000))
    const { digests } = await again!.commit()
    await again!.close?.()
    expect(digests).toContainEqual({ algorithm: 'md5', hex: hashOf('md5', bytes) })
  })

  it('goes on when the disk fails, without what it had there', async () => {
    const { far, cache, directory, logged } = await setUp()
    await rm(join(directory, 'blobs'), { recursive: true })
    await writeFile(join(directory, 'blobs'), 'in the way')
    const bytes = bytesOf(2_000_000, 57)
    const { sha256 } = await commit(cache, bytes)
    expect(same(await collect((await cache.open(sha256, bytes.length))!.stream()), bytes)).toBe(true)
    expect(await listAll(far.store)).toHaveLength(1)
    expect(logged.some(line => line.startsWith('warn'))).toBe(true)
    const scratch = cache.stage({ isScratch: true })
    await expect(scratch).rejects.toMatchObject({ code: 'store-broken' })
  })
})

/** What was read last may still be on its way there. */
async function clear(directory: string): Promise<void> {
  const remove = () => rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 })
  await remove()
  await new Promise(resolve => setTimeout(resolve, 20))
  await remove()
}

function cacheOf(store: BlobStore, directory: string, limitBytes: number, logged: string[] = []) {
  return withDiskCache(store, { directory, limitBytes, hasher: nodeHasher, clock, log: listLog(logged) })
}

async function setUp({ limitBytes = 100 * MB } = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'disk-cache-'))
  onTestFinished(() => clear(directory))
  const far = farStore()
  const logged: string[] = []
  return { far, cache: cacheOf(far.store, directory, limitBytes, logged), directory, logged }
}

/** A store that can be away, or change what it gives. */
function farStore() {
  const below = createMemoryBlobs({ hasher: nodeHasher, clock })
  const asked: string[] = []
  const stagedWith: StageOptions[] = []
  const far = { store: null as unknown as BlobStore, asked, stagedWith, isAway: false, change: whole }
  const ask = (what: string) => {
    asked.push(what)
    if (far.isAway) throw new Problem('store-broken', `Cannot ${what}: the store is away`)
  }
  far.store = {
    ...below,
    async open(sha256, size) {
      ask('open')
      const found = await below.open(sha256, size)
      if (found === null) return null
      const blob = far.change({ sha256, size: found.size, stream: range => found.stream(range) })
      return {
        ...blob,
        stream(range) {
          ask('stream')
          return blob.stream(range)
        },
      }
    },
    async stage(options = {}) {
      ask('stage')
      stagedWith.push(options)
      const stage = await below.stage(options)
      return {
        id: stage.id,
        get offset() {
          return stage.offset
        },
        async write(chunk) {
          ask('write')
          await stage.write(chunk)
        },
        async commit(announce) {
          ask('commit')
          return stage.commit(announce)
        },
        async suspend() {
          ask('suspend')
          await stage.suspend()
        },
        discard: () => stage.discard(),
      }
    },
  }
  return far
}

function whole(blob: StoredBlob): StoredBlob {
  return blob
}

function announcements() {
  const announced: string[] = []
  return { announced, announce: async ({ sha256 }: { sha256: string }) => void announced.push(sha256) }
}

async function entriesIn(directory: string): Promise<string[]> {
  const names = await readdir(join(directory, 'blobs/sha256'), { recursive: true })
  return names.filter(name => name.length === 67).map(name => name.slice(3))
}

async function stagedIn(directory: string): Promise<string[]> {
  return readdir(join(directory, 'blobs/staging'))
}

async function pathsIn(directory: string): Promise<string[]> {
  return (await entriesIn(directory)).map(name => join(directory, 'blobs/sha256', name.slice(0, 2), name))
}

async function bytesIn(directory: string): Promise<number> {
  const stats = await Promise.all((await pathsIn(directory)).map(path => stat(path)))
  return stats.reduce((sum, { size }) => sum + size, 0)
}

/** Everything was last used an hour earlier, in the same order. */
async function age(directory: string): Promise<void> {
  for (const path of await pathsIn(directory)) {
    const at = (await stat(path)).mtimeMs / 1000 - 3600
    await utimes(path, at, at)
  }
}

async function eventually(isTrue: () => Promise<boolean>, timeoutMs = 2000): Promise<void> {
  for (let i = 0; i < timeoutMs / 10 && !(await isTrue()); i++)
    await new Promise(resolve => setTimeout(resolve, 10))
  expect(await isTrue()).toBe(true)
}
