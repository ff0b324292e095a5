// Moving a store: whole, once, over and over, broken off, and while it is in use.

import { beforeEach, describe, expect, it } from 'vitest'
import type { MoveProgress } from '../../src/manage/move-gauge.ts'
import type { BlobFault, ObjectFault } from '../../src/manage/stores.ts'
import { type Transferred, transfer } from '../../src/manage/transfer.ts'
import type { BlobStore } from '../../src/ports/blob-store.ts'
import { sha256Of } from '../pattern-body.ts'
import { openTestStore, type TestStore } from './store-world.ts'

let from: TestStore
let to: TestStore
let faults: ObjectFault[]

beforeEach(async () => {
  from = await openTestStore()
  to = await openTestStore()
  faults = []
})

function move(report: (progress: MoveProgress) => void = () => {}): Promise<Transferred> {
  return transfer({
    from,
    to,
    hasSameBlobs: false,
    clock: from.clock,
    report,
    fault: fault => faults.push(fault),
  })
}

/** Fails the nth time a blob is begun, as a process that is killed does for all who wait. */
function breakingAt(store: TestStore, nth: number): TestStore {
  let begun = 0
  const blobs: BlobStore = {
    ...store.blobs,
    async stage(options) {
      if (++begun >= nth) throw new Error('killed')
      return store.blobs.stage(options)
    },
  }
  return { ...store, blobs }
}

const faultsOf = () => faults.map(({ fault, object }): [BlobFault, string] => [fault, object]).sort()

describe('moving a store', () => {
  it('moves objects with their use, repositories and secrets', async () => {
    const row = await from.keep('files/a', 'one', { hits: 40, accessedAt: 77, isPinned: true, etag: '"x"' })
    await from.keep('files/b', 'two')
    await from.catalog.putRepository('made', '{"base_url":"https://x.example"}')
    await from.catalog.secret('key', () => 'ours')
    const moved = await move()
    expect(moved).toMatchObject({ objects: 2, blobs: 2, bytes: 6, repositories: 1, secrets: 1, faults: 0 })
    expect(moved).toMatchObject({ isSettled: true, keptSecrets: [], outdated: 0 })
    expect(await to.contents()).toEqual({ 'files/a': 'one', 'files/b': 'two' })
    expect(await to.stock.find(row)).toEqual(row)
    expect(await to.stock.repositories()).toEqual(await from.stock.repositories())
    expect(await to.stock.secrets()).toEqual(await from.stock.secrets())
    const [theirs, ours] = await Promise.all([to.catalog.usage(), from.catalog.usage()])
    expect(theirs).toEqual(ours)
    expect((await to.catalog.condemnedSum(Number.MAX_SAFE_INTEGER)).blobs).toBe(0)
  })

  it('copies bytes once that many objects name', async () => {
    for (let i = 0; i < 30; i++) await from.keep(`files/${i}`, 'the same')
    expect(await move()).toMatchObject({ objects: 30, blobs: 1, bytes: 8 })
    expect(Object.values(await to.contents())).toEqual(Array(30).fill('the same'))
  })

  it('copies nothing the second time', async () => {
    for (let i = 0; i < 20; i++) await from.keep(`files/${i}`, `content ${i}`)
    await move()
    expect(await move()).toMatchObject({ objects: 0, blobs: 0, bytes: 0, repositories: 0, secrets: 0 })
  })

  it('brings back bytes that the target lost', async () => {
    await from.keep('files/a', 'one')
    await move()
    await to.blobs.remove(sha256Of('one'))
    expect(await move()).toMatchObject({ blobs: 1 })
    expect(await to.contents()).toEqual({ 'files/a': 'one' })
  })

  it('moves more than a page', async () => {
    for (let i = 0; i < 1100; i++) await from.keep(`files/${i}`, `${i % 7}`)
    for (let i = 0; i < 700; i++) await to.keep(`files/${i * 2}x`, 'theirs')
    expect(await move()).toMatchObject({ objects: 1100, blobs: 7 })
    expect(Object.keys(await to.contents())).toHaveLength(1800)
  })

  it('tells how far it is, also in the middle of a blob', async () => {
    const large = 'x'.repeat(1_000_000)
    for (const content of ['one', 'four', large]) await from.keep(`files/${content.length}`, content)
    const told: MoveProgress[] = []
    await move(progress => told.push(progress))
    const first = told.filter(({ pass }) => pass === 1)
    const all = { pass: 1, allObjects: 3, allBytes: 1_000_007 }
    expect(first.at(-1)).toEqual({ ...all, objects: 3, bytes: 1_000_007, copiedBytes: 1_000_007 })
    expect(first.some(({ bytes }) => bytes > 200_000 && bytes < 1_000_000)).toBe(true)
    expect(first.every(({ bytes, copiedBytes }) => bytes <= 1_000_007 && copiedBytes <= 1_000_007)).toBe(true)
    const counts = first.map(({ objects }) => objects)
    expect(counts).toEqual([...counts].sort())
  })

  it('takes back what it told of a blob that turned out wrong', async () => {
    await from.keep('files/bad', 'x'.repeat(1_000_000))
    await from.damage('x'.repeat(1_000_000))
    const told: MoveProgress[] = []
    await move(progress => told.push(progress))
    expect(told.some(({ copiedBytes }) => copiedBytes > 0)).toBe(true)
    expect(told.at(-1)?.copiedBytes).toBe(0)
  })
})

describe('a target that has something', () => {
  it('keeps what is only there, and rows that are newer', async () => {
    await from.keep('files/a', 'older', { checkedAt: 10 })
    await from.keep('files/b', 'newer', { checkedAt: 30 })
    await to.keep('files/a', 'newer here', { checkedAt: 20 })
    await to.keep('files/b', 'older here', { checkedAt: 20 })
    await to.keep('own/c', 'own')
    expect(await move()).toMatchObject({ objects: 1, outdated: 1 })
    expect(await to.contents()).toEqual({ 'files/a': 'newer here', 'files/b': 'newer', 'own/c': 'own' })
  })

  it('takes over later uses of what it has', async () => {
    await from.keep('files/a', 'one', { hits: 100, accessedAt: 9 })
    await to.keep('files/a', 'one', { hits: 3, accessedAt: 50 })
    await move()
    expect(await to.stock.find({ repository: 'files', key: 'a' })).toMatchObject({
      hits: 100,
      accessedAt: 50,
    })
  })

  it('keeps its secrets, which is said', async () => {
    await from.catalog.secret('peers', () => 'theirs')
    await to.catalog.secret('peers', () => 'ours')
    expect((await move()).keptSecrets).toEqual(['peers'])
    expect(await to.stock.secrets()).toEqual([{ name: 'peers', value: 'ours' }])
  })

  it('has other rows on the same bytes: those are read for nothing', async () => {
    await to.keep('own/a', 'same')
    await from.keep('files/a', 'same')
    expect(await move()).toMatchObject({ objects: 1, blobs: 0 })
    expect(await to.contents()).toEqual({ 'files/a': 'same', 'own/a': 'same' })
  })
})

describe('a source in use', () => {
  it('is gone through again for what is kept, changed and refreshed meanwhile', async () => {
    for (let i = 0; i < 5; i++) await from.keep(`files/${i}`, `content ${i}`)
    let isDone = false
    const writing: Promise<unknown>[] = []
    const moved = await move(({ objects }) => {
      if (objects < 5 || isDone) return
      isDone = true
      // Before all that was gone through, so that this pass can no longer meet it.
      writing.push(from.keep('files/', 'new', { checkedAt: 90 }))
      writing.push(from.keep('files/0', 'changed', { checkedAt: 90 }))
      writing.push(from.keep('files/1', 'content 1', { checkedAt: 90, freshUntil: 99 }))
    })
    await Promise.all(writing)
    expect(moved.isSettled).toBe(true)
    expect(await to.contents()).toEqual(await from.contents())
    expect(await to.stock.find({ repository: 'files', key: '1' })).toMatchObject({ freshUntil: 99 })
  })

  it('that is never still is left after a while, which is said', async () => {
    await from.keep('files/0', 'content')
    let count = 0
    const writing: Promise<unknown>[] = []
    const moved = await move(() => {
      if (count < 100)
        writing.push(from.keep(`files/${String(++count).padStart(5, '0')}`, `content ${count}`))
    })
    await Promise.all(writing)
    // Each write was seen in the same pass or in the next one.
    expect(moved.isSettled || count === 100).toBe(true)
    await move()
    expect(await to.contents()).toEqual(await from.contents())
  })

  it('may lose an object to the limits of the cache: nothing is wrong then', async () => {
    const row = await from.keep('files/a', 'one')
    await from.keep('files/b', 'two')
    const { open } = from.blobs
    from = {
      ...from,
      blobs: {
        ...from.blobs,
        async open(sha256, size) {
          if (sha256 !== row.sha256) return open(sha256, size)
          await from.catalog.forget(row)
          return null
        },
      },
    }
    expect(await move()).toMatchObject({ faults: 0, objects: 1 })
    expect(await to.contents()).toEqual({ 'files/b': 'two' })
  })
})

describe('bytes that are wrong', () => {
  it('are reported with each object they are of, and left out; all else is moved', async () => {
    await from.keep('files/bad', 'damaged bytes')
    await from.keep('local/bad', 'damaged bytes', { isPinned: true })
    await from.keep('files/lost', 'gone')
    await from.keep('files/good', 'good')
    await from.damage('damaged bytes')
    await from.blobs.remove(sha256Of('gone'))
    expect(await move()).toMatchObject({ objects: 1, blobs: 1, faults: 3, isSettled: true })
    expect(faultsOf()).toEqual([
      ['damaged', 'files/bad'],
      ['damaged', 'local/bad'],
      ['missing', 'files/lost'],
    ])
    expect(faults.find(({ object }) => object === 'local/bad')?.isUpload).toBe(true)
    expect(await to.contents()).toEqual({ 'files/good': 'good' })
    expect(await to.blobs.open(sha256Of('damaged bytes'))).toBeNull()
  })

  it('end it when the store itself cannot be read', async () => {
    for (let i = 0; i < 100; i++) await from.keep(`files/${i}`, `content ${i}`)
    const open = () => Promise.reject(new Error('connection refused'))
    from = { ...from, blobs: { ...from.blobs, open } }
    await expect(move()).rejects.toThrow('Cannot read the last 20 blobs: connection refused')
    expect(faults.length).toBeLessThan(40)
  })
})

describe('a run that is broken off', () => {
  it.each([1, 2, 7, 19])('at blob %i leaves nothing wrong, and the next one ends it', async nth => {
    for (let i = 0; i < 20; i++) await from.keep(`files/${i}`, `content ${i}`)
    const whole = to
    to = breakingAt(whole, nth)
    await expect(move()).rejects.toThrow('killed')
    to = whole
    const half = await to.contents()
    expect(Object.values(half)).not.toContain(null)
    expect(Object.keys(half).length).toBeLessThan(nth)
    expect(await move()).toMatchObject({ blobs: 20 - Object.keys(half).length })
    expect(await to.contents()).toEqual(await from.contents())
    expect(await to.catalog.usage()).toEqual(await from.catalog.usage())
  })

  it('between bytes and row leaves bytes that the collector finds', async () => {
    await from.keep('files/a', 'one')
    const whole = to
    to = { ...whole, stock: { ...whole.stock, place: () => Promise.reject(new Error('killed')) } }
    await expect(move()).rejects.toThrow('killed')
    to = whole
    expect(await to.contents()).toEqual({})
    expect(await to.catalog.condemnedSum(Number.MAX_SAFE_INTEGER)).toEqual({ blobs: 1, bytes: 3 })
    await move()
    expect(await to.contents()).toEqual({ 'files/a': 'one' })
    expect((await to.catalog.condemnedSum(Number.MAX_SAFE_INTEGER)).blobs).toBe(0)
  })
})

describe('two catalogs on the same blobs', () => {
  it('need rows only', async () => {
    to = await openTestStore({ blobs: from.blobs })
    await from.keep('files/a', 'one')
    await from.keep('files/lost', 'gone')
    await from.blobs.remove(sha256Of('gone'))
    const moved = await transfer({
      from,
      to,
      hasSameBlobs: true,
      clock: from.clock,
      report: () => {},
      fault: fault => faults.push(fault),
    })
    expect(moved).toMatchObject({ objects: 1, blobs: 0, faults: 1 })
    expect(await to.contents()).toEqual({ 'files/a': 'one' })
    expect(faultsOf()).toEqual([['missing', 'files/lost']])
  })
})
