// What is moved out of a catalog and into another one: everything, in one order, and never back in time.

import { expect, it } from 'vitest'
import type { ListedObject } from '../../src/catalog/catalog.ts'
import { createStock, type Stock } from '../../src/catalog/stock.ts'
import { sha256Of } from '../pattern-body.ts'
import { type Books, describeOnEach, rowOf } from './sample-rows.ts'

function usedRow(key: string, content: string, more: Partial<ListedObject> = {}): ListedObject {
  return { ...rowOf('files', key, content), accessedAt: 5, hits: 7, ...more }
}

describeOnEach(openBooks => {
  async function open(): Promise<Books & { stock: Stock }> {
    const books = await openBooks()
    for (const table of ['objects', 'blobs', 'usage', 'repositories', 'secrets'])
      await books.database.query(`delete from ${table}`)
    return { ...books, stock: createStock(books.database, books.clock) }
  }

  async function condemnedOf({ database }: Books): Promise<unknown[]> {
    const rows = await database.query(
      'select sha256 from blobs where condemned_at is not null order by sha256',
    )
    return rows.map(row => row.sha256)
  }

  it('places a row with its use, and books its bytes', async () => {
    const { stock, catalog } = await open()
    const row = usedRow('a', 'bytes', {
      contentType: 'text/plain',
      contentEncoding: 'gzip',
      etag: '"x"',
      lastModified: 'then',
      freshUntil: 9,
      publishedAt: 3,
      pathClass: 'mutable',
      isPinned: true,
    })
    expect(await stock.place(row)).toBe(true)
    expect(await stock.find(row)).toEqual(row)
    const usage = await catalog.usage()
    expect([usage.bytes, usage.blobs, usage.repositories.get('files')]).toEqual([
      5,
      1,
      { bytes: 5, objects: 1 },
    ])
    expect(await stock.holds(row.sha256, 5)).toBe(true)
  })

  it('places a row twice as once', async () => {
    const { stock, catalog } = await open()
    for (let i = 0; i < 2; i++) expect(await stock.place(usedRow('a', 'bytes'))).toBe(true)
    expect((await catalog.usage()).repositories.get('files')).toEqual({ bytes: 5, objects: 1 })
  })

  it('replaces an older row, and condemns the bytes that nobody names any more', async () => {
    const books = await open()
    await books.stock.place(usedRow('a', 'older', { checkedAt: 10, hits: 50, accessedAt: 1 }))
    await books.stock.place(usedRow('b', 'shared', { checkedAt: 10 }))
    await books.stock.place(usedRow('c', 'shared', { checkedAt: 10 }))
    expect(await books.stock.place(usedRow('a', 'newer bytes', { checkedAt: 11 }))).toBe(true)
    expect(await books.stock.place(usedRow('b', 'other', { checkedAt: 11 }))).toBe(true)
    expect(await condemnedOf(books)).toEqual([sha256Of('older')])
    const found = await books.stock.find({ repository: 'files', key: 'a' })
    // Of the use, what is more.
    expect([found?.sha256, found?.hits, found?.accessedAt]).toEqual([sha256Of('newer bytes'), 50, 5])
    const usage = await books.catalog.usage()
    expect(usage.repositories.get('files')).toEqual({ bytes: 11 + 5 + 6, objects: 3 })
  })

  it('leaves a later row alone, whose bytes and books stay as they are', async () => {
    const books = await open()
    await books.stock.place(usedRow('a', 'later', { checkedAt: 11 }))
    const before = await books.catalog.usage()
    expect(await books.stock.place(usedRow('a', 'older bytes', { checkedAt: 10 }))).toBe(false)
    expect((await books.stock.find({ repository: 'files', key: 'a' }))?.sha256).toBe(sha256Of('later'))
    // The bytes that came for nothing are for the collector.
    expect(await condemnedOf(books)).toEqual([sha256Of('older bytes')])
    const usage = await books.catalog.usage()
    expect(usage.repositories).toEqual(before.repositories)
    expect(usage.blobs).toBe(before.blobs + 1)
  })

  it('saves condemned bytes that a row names again', async () => {
    const books = await open()
    await books.stock.announce(sha256Of('bytes'), 5)
    expect(await books.stock.holds(sha256Of('bytes'), 5)).toBe(false)
    await books.stock.place(usedRow('a', 'bytes'))
    expect(await condemnedOf(books)).toEqual([])
  })

  it('holds nothing of another size', async () => {
    const { stock } = await open()
    await stock.place(usedRow('a', 'bytes'))
    expect(await stock.holds(sha256Of('bytes'), 6)).toBe(false)
  })

  it('lets uses grow only', async () => {
    const { stock } = await open()
    await stock.place(usedRow('a', 'x', { hits: 7, accessedAt: 5 }))
    await stock.placeUses([usedRow('a', 'x', { hits: 3, accessedAt: 9 })])
    expect(await stock.find({ repository: 'files', key: 'a' })).toMatchObject({ hits: 7, accessedAt: 9 })
  })

  it('tells all rows in the order of their bytes', async () => {
    const { stock } = await open()
    const keys = ['', 'Z', 'a', 'a/b', 'é', 'ﬀ', '😀']
    for (const repository of ['b', 'a'])
      for (const key of keys) await stock.place(usedRow(key, 'x', { repository }))
    const seen: string[] = []
    for (let last: ListedObject | null = null; ; ) {
      const page = await stock.objectsAfter(last, 3)
      seen.push(...page.map(row => row.repository + row.key))
      last = page.at(-1) ?? null
      if (last === null) break
    }
    // An object without a key is found by its repository only.
    expect(seen).toEqual([...keys.map(key => `a${key}`), ...keys.map(key => `b${key}`)])
  })

  it('takes repositories over when they were changed later', async () => {
    const { stock } = await open()
    expect(await stock.placeRepository({ name: 'r', settings: 'one', changedAt: 5 })).toBe(true)
    expect(await stock.placeRepository({ name: 'r', settings: 'two', changedAt: 5 })).toBe(false)
    expect(await stock.placeRepository({ name: 'r', settings: 'old', changedAt: 4 })).toBe(false)
    expect(await stock.repositories()).toEqual([{ name: 'r', settings: 'one', changedAt: 5 }])
    expect(await stock.placeRepository({ name: 'r', settings: 'new', changedAt: 6 })).toBe(true)
    expect(await stock.repositories()).toEqual([{ name: 'r', settings: 'new', changedAt: 6 }])
  })

  it('keeps the secrets that were there, and takes over the others', async () => {
    const { stock, catalog } = await open()
    await catalog.secret('peers', () => 'ours')
    expect(await stock.placeSecret({ name: 'peers', value: 'theirs' })).toBe(false)
    expect(await stock.placeSecret({ name: 'key', value: 'theirs' })).toBe(true)
    expect(await stock.secrets()).toEqual([
      { name: 'key', value: 'theirs' },
      { name: 'peers', value: 'ours' },
    ])
  })

  it('remembers which backup is being restored into it, and tells nobody else', async () => {
    const { stock } = await open()
    await stock.setRestoring('one')
    expect([await stock.restoring(), await stock.secrets()]).toEqual(['one', []])
    await stock.setRestoring(null)
    expect(await stock.restoring()).toBeNull()
  })

  it('is empty until there is an object or a repository', async () => {
    const { stock, catalog } = await open()
    await catalog.secret('peers', () => 'ours')
    expect(await stock.isEmpty()).toBe(true)
    await stock.placeRepository({ name: 'r', settings: '{}', changedAt: 1 })
    expect(await stock.isEmpty()).toBe(false)
    await catalog.dropRepository('r')
    await stock.place(usedRow('a', 'x'))
    expect(await stock.isEmpty()).toBe(false)
  })

  it('tells everything as of one moment, what names the same bytes together', async () => {
    const { stock, catalog } = await open()
    await stock.placeRepository({ name: 'r', settings: '{}', changedAt: 1 })
    await catalog.secret('peers', () => 'ours')
    for (const [key, content] of [
      ['a', 'same'],
      ['b', 'other'],
      ['c', 'same'],
    ] as const)
      await stock.place(usedRow(key, content, { isPinned: key === 'c' }))
    async function take(isPinnedOnly: boolean) {
      const seen: string[] = []
      await stock.snapshot(
        {
          repositories: async page => void seen.push(...page.map(each => each.name)),
          secrets: async page => void seen.push(...page.map(each => each.name)),
          objects: async page => void seen.push(...page.map(each => each.key)),
        },
        isPinnedOnly,
      )
      return seen
    }
    const bySha = sha256Of('same') < sha256Of('other') ? ['a', 'c', 'b'] : ['b', 'a', 'c']
    expect(await take(false)).toEqual(['r', 'peers', ...bySha])
    expect(await take(true)).toEqual(['r', 'peers', 'c'])
  })
})
