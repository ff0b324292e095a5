// What every BlobStore promises. A driver's test calls this with a way to open a fresh, empty store; what a driver
// cannot do is skipped by the test's own title, with the reason.

import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BlobStore, Stage, StageOptions } from '../../src/ports/blob-store.ts'
import { bytesOf } from '../drivers/sample-bytes.ts'

export interface OpenedBlobStore {
  readonly store: BlobStore
  /** The same bytes seen by another instance, as another process would. */
  readonly other: BlobStore
  close(): Promise<void>
}

export type BlobStoreSkips = Readonly<Record<string, string>>

type Check = (title: string, test: (opened: OpenedBlobStore) => Promise<void>) => void

/** Times are real: stores on disks and in buckets have clocks of their own. */
export function describeBlobStore(
  name: string,
  open: () => Promise<OpenedBlobStore>,
  skips: BlobStoreSkips = {},
): void {
  describe(`BlobStore contract: ${name}`, () => {
    let opened: OpenedBlobStore
    const titles = new Set<string>()
    beforeEach(async () => {
      opened = await open()
    })
    afterEach(() => opened.close())

    const check: Check = (title, test) => {
      titles.add(title)
      const reason = skips[title]
      if (reason === undefined) it(title, () => test(opened))
      else it.skip(`${title} (${reason})`, () => {})
    }
    checkBlobs(check)
    checkStages(check)
    checkRemoval(check)
    checkReading(check)
    checkSuspending(check)
    checkScratch(check)

    it('skips nothing that is not promised', () => {
      expect(Object.keys(skips).filter(title => !titles.has(title))).toEqual([])
    })
  })
}

function checkBlobs(check: Check): void {
  check('gives back what was committed, with its size', async ({ store, other }) => {
    const bytes = bytesOf(300_000, 1)
    const committed = await commit(store, bytes)
    expect(committed).toMatchObject({ sha256: hashOf('sha256', bytes), size: bytes.length })
    for (const each of [store, other]) {
      const blob = await each.open(committed.sha256, bytes.length)
      expect(blob).toMatchObject({ sha256: committed.sha256, size: bytes.length })
      expect(same(await collect(blob!.stream()), bytes)).toBe(true)
    }
  })

  check('keeps a body of several parts', async ({ store }) => {
    const bytes = bytesOf(18 * 1024 * 1024 + 77, 2)
    const { sha256 } = await commit(store, bytes, {}, 700_001)
    expect(sha256).toBe(hashOf('sha256', bytes))
    const blob = await store.open(sha256, bytes.length)
    expect(same(await collect(blob!.stream()), bytes)).toBe(true)
    const middle = await collect(blob!.stream({ start: 8_388_000, end: 8_390_000 }))
    expect(same(middle, bytes.subarray(8_388_000, 8_390_001))).toBe(true)
  })

  check('keeps an empty body', async ({ store }) => {
    const { sha256, size } = await commit(store, new Uint8Array())
    expect(size).toBe(0)
    expect(await collect((await store.open(sha256, 0))!.stream())).toHaveLength(0)
  })

  check('streams exactly the range asked for', async ({ store }) => {
    const bytes = bytesOf(700_000, 3)
    const { sha256 } = await commit(store, bytes)
    const blob = await store.open(sha256)
    for (const [start, end] of [
      [0, 0],
      [0, 699_999],
      [262_143, 262_144],
      [300_000, 650_001],
      [699_999, 699_999],
    ] as const) {
      expect(same(await collect(blob!.stream({ start, end })), bytes.subarray(start, end + 1))).toBe(true)
    }
  })

  check('has nothing under a name that was never committed', async ({ store }) => {
    expect(await store.open('0'.repeat(64))).toBeNull()
  })

  check('has nothing of another size than asked for', async ({ store }) => {
    const bytes = bytesOf(1000, 4)
    const { sha256 } = await commit(store, bytes)
    expect(await store.open(sha256, 999)).toBeNull()
    expect(await store.open(sha256, 1000)).not.toBeNull()
  })

  check('goes on after a reader left in the middle', async ({ store }) => {
    const bytes = bytesOf(2_000_000, 5)
    const { sha256 } = await commit(store, bytes)
    const blob = await store.open(sha256)
    const reader = blob!.stream().getReader()
    await reader.read()
    await reader.cancel()
    expect(same(await collect(blob!.stream()), bytes)).toBe(true)
  })

  check('lists all blobs, a page at a time', async ({ store }) => {
    const before = Date.now()
    const expected = new Map<string, number>()
    for (let i = 0; i < 200; i++) {
      const { sha256, size } = await commit(store, bytesOf(10 + i, 100 + i))
      expected.set(sha256, size)
    }
    const listed = await listAll(store)
    expect(new Map(listed.map(blob => [blob.sha256, blob.size]))).toEqual(expected)
    expect(listed).toHaveLength(200)
    expect(Math.min(...listed.map(blob => blob.committedAt))).toBeGreaterThanOrEqual(before - 5)
    expect(Math.max(...listed.map(blob => blob.committedAt))).toBeLessThanOrEqual(Date.now() + 5)
  })
}

function checkStages(check: Check): void {
  check('shows nothing before the commit', async ({ store }) => {
    const bytes = bytesOf(100_000, 6)
    const stage = await store.stage()
    await stage.write(bytes.slice())
    expect(await store.open(hashOf('sha256', bytes))).toBeNull()
    expect(await listAll(store)).toEqual([])
    await stage.commit()
    await stage.close?.()
    expect(await store.open(hashOf('sha256', bytes))).not.toBeNull()
  })

  check('announces a blob before it can be seen', async ({ store }) => {
    const bytes = bytesOf(60_000, 61)
    const stage = await store.stage()
    await stage.write(bytes.slice())
    let seen: unknown = 'nothing announced'
    const committed = await stage.commit(async facts => {
      seen = [facts.sha256, facts.size, await store.open(facts.sha256)]
    })
    await stage.close?.()
    expect(seen).toEqual([hashOf('sha256', bytes), bytes.length, null])
    expect(await store.open(committed.sha256)).not.toBeNull()
  })

  check('keeps nothing when it cannot be announced', async ({ store }) => {
    const stage = await store.stage()
    await stage.write(bytesOf(60_000, 62).slice())
    const refusal = stage.commit(async () => {
      throw new Error('no books')
    })
    await expect(refusal).rejects.toThrow('no books')
    await stage.close?.()
    await expectNothing(store)
  })

  check('tells every digest that was expected or asked for', async ({ store }) => {
    const bytes = bytesOf(50_000, 7)
    const expected = [{ algorithm: 'sha1', hex: hashOf('sha1', bytes) } as const]
    const { digests } = await commit(store, bytes, { expected, also: ['md5', 'sha512'] })
    for (const algorithm of ['sha256', 'sha1', 'md5', 'sha512'] as const) {
      expect(digests).toContainEqual({ algorithm, hex: hashOf(algorithm, bytes) })
    }
  })

  check('refuses and drops bytes whose digest is not the expected one', async ({ store }) => {
    const bytes = bytesOf(50_000, 8)
    const actual = hashOf('sha1', bytes)
    const stage = await store.stage({ expected: [{ algorithm: 'sha1', hex: 'a'.repeat(40) }] })
    await stage.write(bytes.slice())
    const refusal = await stage.commit().catch((error: unknown) => error)
    await stage.close?.()
    expect(refusal).toMatchObject({ code: 'digest-mismatch' })
    expect(String(refusal)).toContain(`sha1:${actual}`)
    expect(String(refusal)).toContain(`sha1:${'a'.repeat(40)}`)
    await expectNothing(store)
  })

  check('takes the same bytes twice', async ({ store }) => {
    const bytes = bytesOf(60_000, 9)
    const first = await commit(store, bytes)
    const second = await commit(store, bytes)
    expect(second).toEqual(first)
    expect(await listAll(store)).toHaveLength(1)
    expect(same(await collect((await store.open(first.sha256))!.stream()), bytes)).toBe(true)
  })

  check('takes the same bytes from many at once', async ({ store }) => {
    const bytes = bytesOf(60_000, 10)
    const committed = await Promise.all(Array.from({ length: 8 }, () => commit(store, bytes)))
    expect(new Set(committed.map(each => each.sha256)).size).toBe(1)
    expect(same(await collect((await store.open(hashOf('sha256', bytes)))!.stream()), bytes)).toBe(true)
  })

  check('leaves nothing of what was discarded, once or twice', async ({ store }) => {
    const stage = await store.stage()
    await stage.write(bytesOf(9_000_000, 11))
    await stage.discard()
    await stage.discard()
    await stage.close?.()
    await expectNothing(store)
  })

  check('writes to no stage that is spent', async ({ store }) => {
    const stage = await store.stage()
    await stage.write(bytesOf(10, 12))
    await stage.commit()
    await stage.close?.()
    await expect(stage.write(bytesOf(10, 13))).rejects.toMatchObject({ code: 'internal' })
    await expect(stage.commit()).rejects.toMatchObject({ code: 'internal' })
    await stage.discard()
    expect(await listAll(store)).toHaveLength(1)
  })
}

function checkRemoval(check: Check): void {
  check('removes a blob, and says so once', async ({ store, other }) => {
    const { sha256 } = await commit(store, bytesOf(1000, 20))
    expect(await store.remove(sha256)).toBe(true)
    expect(await store.remove(sha256)).toBe(false)
    expect(await store.open(sha256)).toBeNull()
    expect(await other.open(sha256)).toBeNull()
    expect(await listAll(store)).toEqual([])
  })

  check('removes what was committed before, spares what was committed since', async ({ store }) => {
    const bytes = bytesOf(1000, 21)
    const { sha256 } = await commit(store, bytes)
    const condemnedAt = await later()
    await commit(store, bytes)
    expect(await store.remove(sha256, condemnedAt)).toBe(false)
    expect(same(await collect((await store.open(sha256))!.stream()), bytes)).toBe(true)
    expect(await store.remove(sha256, await later())).toBe(true)
    expect(await store.open(sha256)).toBeNull()
  })

  check('counts the commit, not the writing, as the moment of commit', async ({ store }) => {
    const bytes = bytesOf(1000, 22)
    const stage = await store.stage()
    await stage.write(bytes)
    const condemnedAt = await later()
    const { sha256 } = await stage.commit()
    await stage.close?.()
    expect(await store.remove(sha256, condemnedAt)).toBe(false)
    expect(await store.open(sha256)).not.toBeNull()
  })
}

function checkReading(check: Check): void {
  check('reads back what was written while writing goes on', async ({ store }) => {
    const bytes = bytesOf(12_000_000, 30)
    const stage = await store.stage()
    let isDone = false
    const readers = [1, 2, 3, 4].map(async seed => {
      const random = randomOf(seed)
      let checked = 0
      while (!isDone || checked === 0) {
        const written = stage.offset
        const offset = Math.floor(random() * (written + 1000))
        const limit = Math.floor(random() * 300_000)
        const got = await stage.read!(offset, limit)
        expect(got.length).toBeGreaterThanOrEqual(Math.max(0, Math.min(limit, written - offset)))
        expect(same(got, bytes.subarray(offset, offset + got.length))).toBe(true)
        checked += got.length
        await new Promise(resolve => setTimeout(resolve, 0))
      }
    })
    const random = randomOf(5)
    for (let at = 0; at < bytes.length; ) {
      const next = Math.min(bytes.length, at + 1 + Math.floor(random() * 100_000))
      await stage.write(bytes.slice(at, next))
      at = next
      if (random() < 0.2) await new Promise(resolve => setTimeout(resolve, 0))
    }
    isDone = true
    await Promise.all(readers)
    expect(await stage.commit()).toMatchObject({ sha256: hashOf('sha256', bytes) })
    await stage.close!()
  })

  check('reads on after the commit and after the blob was removed', async ({ store }) => {
    const bytes = bytesOf(3_000_000, 31)
    const stage = await store.stage()
    await stage.write(bytes.slice())
    const { sha256 } = await stage.commit()
    expect(same(await stage.read!(1_000_000, 500), bytes.subarray(1_000_000, 1_000_500))).toBe(true)
    await store.remove(sha256)
    expect(same(await stage.read!(0, 3_000_000), bytes)).toBe(true)
    expect(await stage.read!(3_000_000, 10)).toHaveLength(0)
    await stage.close!()
    await stage.close!()
  })
}

function checkSuspending(check: Check): void {
  check('goes on with a suspended stage, elsewhere too', async ({ store, other }) => {
    const bytes = bytesOf(10_000_000, 40)
    const cuts = [0, 3_000_000, 3_000_100, 9_500_000, bytes.length]
    const options: StageOptions = {
      expected: [{ algorithm: 'sha512', hex: hashOf('sha512', bytes) }],
      also: ['md5'],
    }
    let stage: Stage | null = await store.stage(options)
    const { id } = stage
    for (let i = 1; i < cuts.length; i++) {
      expect(stage).toMatchObject({ id, offset: cuts[i - 1] })
      await stage!.write(bytes.slice(cuts[i - 1], cuts[i]))
      if (i === cuts.length - 1) break
      await stage!.suspend()
      await stage!.close?.()
      stage = await (i % 2 === 0 ? store : other).resume(id)
    }
    const committed = await stage!.commit()
    await stage!.close?.()
    expect(committed).toMatchObject({ sha256: hashOf('sha256', bytes), size: bytes.length })
    for (const algorithm of ['sha512', 'md5'] as const) {
      expect(committed.digests).toContainEqual({ algorithm, hex: hashOf(algorithm, bytes) })
    }
    expect(same(await collect((await store.open(committed.sha256))!.stream()), bytes)).toBe(true)
    expect(await store.resume(id)).toBeNull()
  })

  check('still refuses an unexpected digest after a suspension', async ({ store, other }) => {
    const stage = await store.stage({ expected: [{ algorithm: 'md5', hex: 'b'.repeat(32) }] })
    await stage.write(bytesOf(1000, 41))
    await stage.suspend()
    await stage.close?.()
    const again = await other.resume(stage.id)
    await expect(again!.commit()).rejects.toMatchObject({ code: 'digest-mismatch' })
    await again!.close?.()
    await expectNothing(store)
  })

  check('goes on with a stage that was suspended empty', async ({ store }) => {
    const stage = await store.stage()
    await stage.suspend()
    await stage.close?.()
    const again = await store.resume(stage.id)
    expect(again).toMatchObject({ id: stage.id, offset: 0 })
    await again!.discard()
    await again!.close?.()
    await expectNothing(store)
  })

  check('gives a suspended stage to one taker only', async ({ store, other }) => {
    const stage = await store.stage()
    await stage.write(bytesOf(1000, 42))
    await stage.suspend()
    await stage.close?.()
    const takers = await Promise.all([store.resume(stage.id), other.resume(stage.id), store.resume(stage.id)])
    const taken = takers.filter(each => each !== null)
    expect(taken).toHaveLength(1)
    await taken[0]!.discard()
    await taken[0]!.close?.()
  })

  check('resumes nothing under a name it never gave', async ({ store }) => {
    for (const id of ['', '../../etc', crypto.randomUUID()]) expect(await store.resume(id)).toBeNull()
  })

  check('sweeps a suspended stage by its age only', async ({ store }) => {
    const before = await later()
    const stage = await store.stage()
    await stage.write(bytesOf(9_000_000, 43))
    await stage.suspend()
    await stage.close?.()
    expect(await store.sweep(before)).toBe(0)
    expect(await store.sweep(await later())).toBe(1)
    expect(await store.resume(stage.id)).toBeNull()
  })
}

function checkScratch(check: Check): void {
  check('makes a blob of what was thought of as scratch', async ({ store, other }) => {
    const bytes = bytesOf(9_000_000, 50)
    const stage = await store.stage({ isScratch: true, also: ['md5'] })
    await stage.write(bytes.slice(0, 5_000_000))
    await stage.write(bytes.slice(5_000_000))
    expect(stage.offset).toBe(bytes.length)
    expect(await listAll(store)).toEqual([])
    const told: unknown[] = []
    const committed = await stage.commit(async facts => {
      told.push(facts.sha256, await other.open(facts.sha256))
    })
    await stage.close?.()
    expect(told).toEqual([hashOf('sha256', bytes), null])
    expect(committed).toMatchObject({ sha256: hashOf('sha256', bytes), size: bytes.length })
    expect(committed.digests).toContainEqual({ algorithm: 'md5', hex: hashOf('md5', bytes) })
    expect(same(await collect((await other.open(committed.sha256))!.stream()), bytes)).toBe(true)
  })

  check('refuses scratch whose digest is not the expected one', async ({ store }) => {
    const stage = await store.stage({
      isScratch: true,
      expected: [{ algorithm: 'sha256', hex: 'c'.repeat(64) }],
    })
    await stage.write(bytesOf(50_000, 51))
    await expect(stage.commit()).rejects.toMatchObject({ code: 'digest-mismatch' })
    await stage.close?.()
    await expectNothing(store)
  })

  check('leaves nothing of scratch that was thrown away', async ({ store }) => {
    const stage = await store.stage({ isScratch: true, size: 9_000_000 })
    await stage.write(bytesOf(9_000_000, 52))
    await stage.discard()
    await stage.close?.()
    await expectNothing(store)
  })

  check('goes on with scratch that was suspended', async ({ store }) => {
    const bytes = bytesOf(300_000, 53)
    const stage = await store.stage({ isScratch: true })
    await stage.write(bytes.slice(0, 100_000))
    await stage.suspend()
    await stage.close?.()
    const again = await store.resume(stage.id)
    expect(again).toMatchObject({ id: stage.id, offset: 100_000 })
    await again!.write(bytes.slice(100_000))
    expect(await again!.commit()).toMatchObject({ sha256: hashOf('sha256', bytes) })
    await again!.close?.()
    expect(await store.resume(stage.id)).toBeNull()
  })
}

/** For stores that can link. */
export function describeBlobLinks(name: string, open: () => Promise<OpenedBlobStore>): void {
  describe(`BlobStore links: ${name}`, () => {
    let opened: OpenedBlobStore
    beforeEach(async () => {
      opened = await open()
    })
    afterEach(() => opened.close())

    it('gives anyone the bytes, under the headers asked for', async () => {
      const bytes = bytesOf(300_000, 60)
      const { sha256 } = await commit(opened.store, bytes)
      const contentDisposition = `attachment; filename="a + b.tgz"; filename*=UTF-8''a%20%2B%20%C3%BC.tgz`
      const url = await opened.store.link!(sha256, 60, {
        contentType: 'application/gzip',
        contentDisposition,
      })
      const answer = await fetch(url)
      expect(answer.status).toBe(200)
      expect(answer.headers.get('content-type')).toBe('application/gzip')
      expect(answer.headers.get('content-disposition')).toBe(contentDisposition)
      expect(same(new Uint8Array(await answer.arrayBuffer()), bytes)).toBe(true)
    })

    it('gives parts of them', async () => {
      const bytes = bytesOf(1000, 61)
      const { sha256 } = await commit(opened.store, bytes)
      const url = await opened.store.link!(sha256, 60, plain)
      const answer = await fetch(url, { headers: { range: 'bytes=10-19' } })
      expect(answer.status).toBe(206)
      expect(same(new Uint8Array(await answer.arrayBuffer()), bytes.subarray(10, 20))).toBe(true)
    })

    it('gives nothing of another blob, nor after a while', async () => {
      const { sha256 } = await commit(opened.store, bytesOf(1000, 62))
      const other = await commit(opened.store, bytesOf(1000, 63))
      const url = await opened.store.link!(sha256, 1, plain)
      const changed = await fetch(url.replace(sha256, other.sha256))
      await changed.body?.cancel()
      expect(changed.status).toBe(403)
      await new Promise(resolve => setTimeout(resolve, 2500))
      const late = await fetch(url)
      await late.body?.cancel()
      expect(late.status).toBe(403)
    })

    it('does not look whether there is anything', async () => {
      const url = await opened.store.link!('d'.repeat(64), 60, plain)
      const answer = await fetch(url)
      await answer.body?.cancel()
      expect(answer.status).toBe(404)
    })
  })
}

const plain = { contentType: 'application/octet-stream', contentDisposition: 'attachment' }

/** Commits `bytes` in pieces. */
export async function commit(store: BlobStore, bytes: Uint8Array, options?: StageOptions, piece = 65_536) {
  const stage = await store.stage(options)
  for (let at = 0; at < bytes.length; at += piece) await stage.write(bytes.slice(at, at + piece))
  const committed = await stage.commit()
  await stage.close?.()
  return committed
}

/** No blob, and nothing left that a sweep would find. */
export async function expectNothing(store: BlobStore): Promise<void> {
  expect(await listAll(store)).toEqual([])
  expect(await store.sweep(Date.now() + 60_000)).toBe(0)
}

export async function listAll(store: BlobStore) {
  const blobs = []
  for (let cursor: string | undefined, isMore = true; isMore; ) {
    const page = await store.list(cursor)
    blobs.push(...page.blobs)
    isMore = page.cursor !== null
    cursor = page.cursor ?? undefined
  }
  return blobs
}

export async function collect(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Fast: expect() compares large arrays an element at a time. */
export function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}

export function hashOf(algorithm: string, bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest('hex')
}

/** A moment that is certainly after what happened before and before what happens next. */
async function later(): Promise<number> {
  await new Promise(resolve => setTimeout(resolve, 15))
  const now = Date.now()
  await new Promise(resolve => setTimeout(resolve, 15))
  return now
}

function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return (state >>> 0) / 4294967296
  }
}
