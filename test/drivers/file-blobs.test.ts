import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createFileBlobs } from '../../runtimes/shared/file-blobs.ts'
import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import type { BlobStore } from '../../src/ports/blob-store.ts'
import {
  collect,
  commit,
  describeBlobStore,
  expectNothing,
  hashOf,
  listAll,
  same,
} from '../contracts/blob-store.ts'
import { bytesOf } from './sample-bytes.ts'
import { startWriter } from './start-writer.ts'

const warnings: string[] = []
const log = {
  debug() {},
  info() {},
  warn: (msg: string) => void warnings.push(msg),
  error() {},
  line() {},
  flush() {},
}

function openAt(directory: string): BlobStore {
  const clock = { now: Date.now, sleep: async () => {} }
  return createFileBlobs({ directory, hasher: nodeHasher, clock, log })
}

describeBlobStore('files', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'blobs-'))
  return {
    store: openAt(directory),
    other: openAt(directory),
    close: () => rm(directory, { recursive: true, force: true }),
  }
})

describe('blobs in files', () => {
  let directory: string
  let staging: string
  let store: BlobStore
  const pathOf = (sha256: string) => join(directory, 'blobs', 'sha256', sha256.slice(0, 2), sha256)
  const inMinute = () => Date.now() + 60_000

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'blobs-'))
    staging = join(directory, 'blobs', 'staging')
    store = openAt(directory)
    warnings.length = 0
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  it('lie fanned out by two digits, and tell their path', async () => {
    const { sha256 } = await commit(store, bytesOf(1000, 1))
    expect((await store.open(sha256))?.path).toBe(pathOf(sha256))
    expect(statSync(pathOf(sha256)).size).toBe(1000)
    expect(readdirSync(staging)).toEqual([])
  })

  it('never have a name that is not a sha256', async () => {
    for (const name of ['../../etc/passwd', `${'a'.repeat(63)}/`, 'A'.repeat(64), '']) {
      await expect(store.open(name)).rejects.toMatchObject({ code: 'internal' })
      await expect(store.remove(name)).rejects.toMatchObject({ code: 'internal' })
    }
  })

  it('are not found, and told of once, when the file was truncated', async () => {
    const { sha256 } = await commit(store, bytesOf(1000, 2))
    truncateSync(pathOf(sha256), 999)
    expect(await store.open(sha256, 1000)).toBeNull()
    expect(await store.open(sha256, 1000)).toBeNull()
    expect(warnings).toHaveLength(1)
  })

  it('fail a reader, rather than end early, when truncated or removed on the way', async () => {
    const { sha256, size } = await commit(store, bytesOf(1_000_000, 3))
    const reader = (await store.open(sha256, size))!.stream().getReader()
    await reader.read()
    truncateSync(pathOf(sha256), 600_000)
    await reader.read()
    await expect(reader.read()).rejects.toMatchObject({ code: 'store-broken' })
    const late = (await store.open(sha256))!.stream()
    await store.remove(sha256)
    await expect(late.getReader().read()).rejects.toMatchObject({ code: 'store-broken' })
  })

  it('are replaced by a commit when their size is wrong', async () => {
    const bytes = bytesOf(1000, 4)
    const sha256 = hashOf('sha256', bytes)
    mkdirSync(join(pathOf(sha256), '..'), { recursive: true })
    writeFileSync(pathOf(sha256), 'half')
    await commit(store, bytes)
    expect(same(readFileSync(pathOf(sha256)), bytes)).toBe(true)
  })

  it('are kept again after someone deleted the directory', async () => {
    await commit(store, bytesOf(1000, 5))
    await rm(join(directory, 'blobs'), { recursive: true })
    const { sha256 } = await commit(store, bytesOf(1000, 5))
    expect(await store.open(sha256, 1000)).not.toBeNull()
  })

  it('survive a removal that meets their commit, wherever it meets', async () => {
    const bytes = bytesOf(20_000, 6)
    const others = [openAt(directory), openAt(directory)]
    await commit(store, bytes)
    for (let round = 0; round < 150; round++) {
      const condemnedAt = Date.now()
      await new Promise(resolve => setTimeout(resolve, 2))
      const results = await Promise.all([
        commit(store, bytes),
        ...others.map(other => other.remove(hashOf('sha256', bytes), condemnedAt)),
      ])
      expect(await store.open(results[0].sha256, bytes.length)).not.toBeNull()
    }
    expect(readdirSync(staging)).toEqual([])
  })

  it('come back when a process died removing what was committed since, else go', async () => {
    const { sha256: spared } = await commit(store, bytesOf(1000, 7))
    const { sha256: condemned } = await commit(store, bytesOf(1000, 8))
    const gone = `${readDeadPid()}-1`
    const since = Date.now()
    for (const sha256 of [spared, condemned]) {
      const trash = join(staging, `${sha256}-${since}-${crypto.randomUUID()}.${gone}.trash`)
      const at = new Date(sha256 === spared ? since + 1 : since - 1)
      execFileSync('mv', [pathOf(sha256), trash])
      utimesSync(trash, at, at)
    }
    expect(await store.sweep(inMinute())).toBe(1)
    expect(await store.open(spared)).not.toBeNull()
    expect(await store.open(condemned)).toBeNull()
    expect(readdirSync(staging)).toEqual([])
  })

  it('leave no file open when all is done', async () => {
    const bytes = bytesOf(3_000_000, 9)
    const { sha256 } = await commit(store, bytes)
    await commit(store, bytes)
    const blob = await store.open(sha256)
    await collect(blob!.stream())
    const reader = blob!.stream().getReader()
    await reader.read()
    const pending = reader.read()
    await reader.cancel()
    await pending
    const discarded = await store.stage()
    await discarded.write(bytes.slice())
    await discarded.discard()
    const suspended = await store.stage({ expected: [{ algorithm: 'md5', hex: 'a'.repeat(32) }] })
    await suspended.write(bytes.slice())
    await suspended.suspend()
    await (await store.resume(suspended.id))!.commit().catch(() => {})
    await expect.poll(() => openFilesIn(directory)).toEqual([])
    expect(readdirSync(staging)).toEqual([])
  })

  it('take little memory, however large', async () => {
    const chunk = bytesOf(65_536, 10)
    const atStart = process.memoryUsage().rss
    let peak = 0
    const stage = await store.stage()
    for (let i = 0; i < 2048; i++) {
      await stage.write(chunk)
      peak = Math.max(peak, process.memoryUsage.rss())
    }
    const { sha256 } = await stage.commit()
    await stage.close?.()
    for await (const _ of (await store.open(sha256))!.stream())
      peak = Math.max(peak, process.memoryUsage.rss())
    expect(peak - atStart).toBeLessThan(64 * 1024 * 1024)
  })

  describe('when a process dies', () => {
    it('shows nothing of what it was writing, and sweeps it', async () => {
      const writer = await startWriter(directory, 'write')
      await new Promise(resolve => setTimeout(resolve, 30))
      await writer.kill()
      expect(await listAll(store)).toEqual([])
      expect(readdirSync(staging)).toHaveLength(1)
      expect(await store.sweep(Date.now() - 60_000)).toBe(0)
      expect(await store.sweep(inMinute())).toBe(1)
      await expectNothing(store)
    })

    it('has only whole blobs, and all it had told of', async () => {
      for (const ms of [1, 7, 20, 45, 80]) {
        const writer = await startWriter(directory, 'commit')
        await new Promise(resolve => setTimeout(resolve, ms))
        await writer.kill()
        const listed = await listAll(store)
        for (const { sha256, size } of listed) {
          const bytes = await collect((await store.open(sha256, size))!.stream())
          expect(hashOf('sha256', bytes)).toBe(sha256)
        }
        const names = listed.map(blob => `${blob.sha256} ${blob.size}`)
        expect(names).toEqual(expect.arrayContaining(writer.lines))
      }
      await store.sweep(inMinute())
      expect(readdirSync(staging)).toEqual([])
    })

    it('keeps its staged bytes while it lives', async () => {
      const writer = await startWriter(directory, 'hold')
      const own = await store.stage()
      await own.write(bytesOf(1000, 11))
      expect(await store.sweep(inMinute())).toBe(0)
      await writer.kill()
      expect(await store.sweep(inMinute())).toBe(1)
      await own.commit()
      await own.close?.()
    })

    it.skipIf(process.platform !== 'linux')('is not taken for another one that has its number', async () => {
      mkdirSync(staging, { recursive: true })
      writeFileSync(join(staging, `${crypto.randomUUID()}.${process.pid}-12345.live`), 'left')
      expect(await store.sweep(inMinute())).toBe(1)
    })
  })

  describe('of another runtime', () => {
    it.each(['node', 'bun', 'deno'] as const)('%s: are read and gone on with here', async runtime => {
      const writer = await startWriter(directory, 'once', runtime)
      expect(await writer.ended).toBe(0)
      const [blob = '', id = ''] = writer.lines
      const [sha256 = '', size = ''] = blob.split(' ')
      const bytes = await collect((await store.open(sha256, Number(size)))!.stream())
      expect(hashOf('sha256', bytes)).toBe(sha256)
      const stage = await store.resume(id)
      const committed = await stage!.commit()
      await stage!.close?.()
      const expected = bytesOf(70_000, 2)
      expect(committed.sha256).toBe(hashOf('sha256', expected))
      expect(committed.digests).toContainEqual({ algorithm: 'sha1', hex: hashOf('sha1', expected) })
      await expect(store.sweep(inMinute())).resolves.toBe(0)
    })
  })
})

describe('blobs on a full disk', () => {
  let mounted: string | null = null
  let directory = ''
  beforeAll(() => {
    mounted = mountSmall()
    directory = mounted ?? ''
  })
  beforeEach(({ skip }) => skip(mounted === null, 'this process may not mount a small file system'))
  afterAll(() => {
    if (mounted === null) return
    execFileSync('umount', ['-l', mounted])
    rmdirSync(mounted)
  })

  it('are refused when they are known not to fit', async () => {
    await expect(openAt(directory).stage({ size: 5_000_000 })).rejects.toMatchObject({ code: 'store-full' })
  })

  it('are refused when the disk is full, and leave nothing', async () => {
    const store = openAt(directory)
    const free = (await store.freeBytes?.()) ?? 0
    const bytes = bytesOf(8_000_000, 1)
    const stage = await store.stage()
    const work = async () => {
      for (let at = 0; at < bytes.length; at += 65_536) await stage.write(bytes.slice(at, at + 65_536))
      await stage.commit()
    }
    await expect(work()).rejects.toMatchObject({ code: 'store-full' })
    expect(same(await stage.read!(1_000_000, 1000), bytes.subarray(1_000_000, 1_001_000))).toBe(true)
    await stage.discard()
    await stage.close?.()
    await expectNothing(store)
    expect(readdirSync(join(directory, 'blobs', 'staging'))).toEqual([])
    expect(await store.freeBytes?.()).toBeGreaterThan(free - 100_000)
    const { sha256 } = await commit(store, bytesOf(1_000_000, 2))
    expect(await store.open(sha256, 1_000_000)).not.toBeNull()
  })

  it('are refused at the commit, and leave nothing, when the last bytes do not fit', async () => {
    const store = openAt(directory)
    for (const { sha256 } of await listAll(store)) await store.remove(sha256)
    const stage = await store.stage()
    await stage.write(bytesOf(5_000_000, 3)).catch(() => {})
    await expect(stage.commit()).rejects.toMatchObject({ code: 'store-full' })
    await expectNothing(store)
    expect(readdirSync(join(directory, 'blobs', 'staging'))).toEqual([])
  })
})

/** A file system of 4 MB, or null where this process may not mount one. */
function mountSmall(): string | null {
  const directory = join(tmpdir(), `blobs-small-${crypto.randomUUID()}`)
  try {
    mkdirSync(directory)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory], { stdio: 'ignore' })
    return directory
  } catch {
    rmSync(directory, { recursive: true, force: true })
    return null
  }
}

function openFilesIn(directory: string): string[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc/self/fd')
    .flatMap(fd => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`)
      } catch {
        return []
      }
    })
    .filter(path => path.startsWith(directory))
}

/** The number of a process that has ended. */
function readDeadPid(): number {
  return Number(execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }))
}
