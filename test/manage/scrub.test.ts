// Blobs that changed on the disk: found, dropped, fetched again; uploads are missed aloud.

import { mkdtemp, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFileBlobs } from '../../runtimes/shared/file-blobs.ts'
import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { withHotBlobs } from '../../src/drivers/hot-blobs.ts'
import { type CheckedBlob, scrub, verify } from '../../src/manage/scrub.ts'
import type { BlobStore } from '../../src/ports/blob-store.ts'
import { createWorld, type World } from './world.ts'

const DAY_MS = 86_400_000
let directory: string
let world: World

async function open(rate = 0, change: (store: BlobStore) => BlobStore = store => store): Promise<World> {
  const { services } = await createWorld()
  const { clock, log } = services
  const coldBlobs = change(createFileBlobs({ directory, hasher: nodeHasher, clock, log }))
  const blobs = withHotBlobs(coldBlobs, { hasher: nodeHasher, limitBytes: 1_000_000 })
  return createWorld({ services: { blobs, coldBlobs }, options: { scrubBytesPerSecond: rate } })
}

async function fileOf(repository: string, key: string): Promise<string> {
  const row = await world.repositories.catalog.find(repository, key)
  const blob = await (world.services.coldBlobs ?? world.services.blobs).open(row?.sha256 ?? '')
  return blob?.path ?? ''
}

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path)
  bytes[0] = (bytes[0] ?? 0) ^ 1
  await writeFile(path, bytes)
}

const faultsOf = ({ faulty }: { faulty: readonly CheckedBlob[] }) =>
  faulty.map(({ verdict, objects }) => [verdict, ...objects])

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'artifactapi-scrub-'))
  world = await open()
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('verifying all blobs', () => {
  it('finds nothing wrong with what is right', async () => {
    for (const path of ['a', 'b', 'c']) await world.keep('files', path)
    const seen: string[] = []
    const result = await verify(world.repositories, blob => seen.push(blob.verdict))
    expect(result).toEqual({ blobs: 3, bytes: 3, faulty: [] })
    expect(seen).toEqual(['sound', 'sound', 'sound'])
  })

  it('finds a flipped byte, and the object is fetched again', async () => {
    await world.keep('files', 'a', 'right')
    await world.keep('more', 'b', 'other')
    await flipByte(await fileOf('files', 'a'))
    expect(faultsOf(await verify(world.repositories))).toEqual([['damaged', 'files/a']])
    expect([await world.keys('files'), await world.keys('more')]).toEqual([[], ['b']])
    await world.keep('files', 'a', 'right')
    expect(await readFile(await fileOf('files', 'a'), 'utf8')).toBe('right')
    expect(faultsOf(await verify(world.repositories))).toEqual([])
    expect(world.asked).toEqual(['GET /a', 'GET /b', 'GET /a'])
  })

  it('finds what is too short, and what is gone', async () => {
    await world.keep('files', 'short', 'too long')
    await world.keep('files', 'gone', 'not here')
    await truncate(await fileOf('files', 'short'), 3)
    await unlink(await fileOf('files', 'gone'))
    const found = faultsOf(await verify(world.repositories))
    expect(found.sort()).toEqual([
      ['damaged', 'files/short'],
      ['missing', 'files/gone'],
    ])
  })

  it('keeps the row of a damaged upload, and says what to do', async () => {
    await world.upload('store', 'mine', 'precious')
    const path = await fileOf('store', 'mine')
    await flipByte(path)
    expect(faultsOf(await verify(world.repositories))).toEqual([['damaged', 'store/mine']])
    expect(await world.keys('store')).toEqual(['mine'])
    await expect(readFile(path)).rejects.toThrow()
    expect(world.logged.join('\n')).toContain('upload again store/mine')
  })

  it('does not take memory in front of the store for the store', async () => {
    await world.keep('files', 'a', 'right')
    const row = await world.repositories.catalog.find('files', 'a')
    expect((await world.services.blobs.open(row?.sha256 ?? ''))?.bytes).toBeDefined()
    await flipByte(await fileOf('files', 'a'))
    expect((await verify(world.repositories)).faulty).toHaveLength(1)
    expect(await world.services.blobs.open(row?.sha256 ?? '')).toBeNull()
  })

  it('drops nothing because the store cannot be read', async () => {
    const broken = new Error('input/output error')
    world = await open(0, store => ({
      ...store,
      async open(sha256, size) {
        const blob = await store.open(sha256, size)
        const fail = (controller: ReadableStreamDefaultController) => controller.error(broken)
        return blob === null ? null : { ...blob, stream: () => new ReadableStream({ pull: fail }) }
      },
    }))
    // An upload: fetching would read the body back.
    await world.upload('store', 'a', 'right')
    expect(faultsOf(await verify(world.repositories))).toEqual([['unreadable', 'store/a']])
    expect(await readFile(await fileOf('store', 'a'), 'utf8')).toBe('right')
  })
})

describe('the scrub', () => {
  it('looks at what was not looked at for a day, once a day', async () => {
    world = await open(1_000_000)
    await world.keep('files', 'a', 'right')
    const signal = new AbortController().signal
    const counted = () => world.services.meter.counter('artifactapi_scrubbed_bytes_total').value
    await scrub(world.repositories, signal)
    expect(counted()).toBe(0)
    await world.clock.advance(DAY_MS + 1)
    await scrub(world.repositories, signal)
    await scrub(world.repositories, signal)
    expect(counted()).toBe(5)
    await flipByte(await fileOf('files', 'a'))
    await world.clock.advance(DAY_MS + 1)
    await scrub(world.repositories, signal)
    expect(await world.keys('files')).toEqual([])
  })

  it('keeps to its pace', async () => {
    world = await open(1000)
    await world.keep('files', 'a', 'x'.repeat(5000))
    await world.clock.advance(DAY_MS + 1)
    let isDone = false
    const work = scrub(world.repositories, new AbortController().signal).then(() => {
      isDone = true
    })
    while (world.clock.sleeping === 0) await new Promise(resolve => setTimeout(resolve, 1))
    await world.clock.advance(4500)
    expect(isDone).toBe(false)
    await world.clock.advance(1000)
    await work
  })

  it('ends at once when it is told to', async () => {
    world = await open(1)
    await world.keep('files', 'a', 'x'.repeat(5000))
    await world.clock.advance(DAY_MS + 1)
    const stop = new AbortController()
    const work = scrub(world.repositories, stop.signal)
    while (world.clock.sleeping === 0) await new Promise(resolve => setTimeout(resolve, 1))
    stop.abort()
    await work
    expect(await world.keys('files')).toEqual(['a'])
  })
})
