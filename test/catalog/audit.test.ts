// What a catalog can find wrong with itself, and set right.

import { expect, it } from 'vitest'
import { type Audit, createAudit } from '../../src/catalog/audit.ts'
import { sha256Of } from '../pattern-body.ts'
import { type Books, describeOnEach, rowOf } from './sample-rows.ts'

describeOnEach(openBooks => {
  async function open(): Promise<Books & { audit: Audit }> {
    const books = await openBooks()
    for (const table of ['objects', 'blobs', 'usage']) await books.database.query(`delete from ${table}`)
    return { ...books, audit: createAudit(books.database, books.clock) }
  }

  it('tells of every row whether its blob is in the books', async () => {
    const { audit, catalog, database } = await open()
    for (const key of ['a', 'b', 'c', 'd']) await catalog.keep(rowOf('files', key, `content ${key}`))
    await database.query('delete from blobs where sha256 = $1', [sha256Of('content b')])
    await database.query('update blobs set condemned_at = 5 where sha256 = $1', [sha256Of('content c')])
    await database.query('update blobs set size = 77 where sha256 = $1', [sha256Of('content d')])
    const [first, ...rest] = await audit.objectsAfter(null, 100)
    expect(first).toEqual({
      repository: 'files',
      key: 'a',
      sha256: sha256Of('content a'),
      size: 9,
      bookedSize: 9,
      isCondemned: false,
    })
    expect(rest.map(row => [row.bookedSize, row.isCondemned])).toEqual([
      [null, false],
      [9, true],
      [77, false],
    ])
    expect((await audit.objectsAfter({ repository: 'files', key: 'b' }, 1)).map(row => row.key)).toEqual([
      'c',
    ])
  })

  it('books what an object names, and saves it from the collector', async () => {
    const { audit, catalog, database } = await open()
    await catalog.keep(rowOf('files', 'a', 'lost'))
    await catalog.keep(rowOf('files', 'b', 'condemned'))
    await database.query('delete from blobs where sha256 = $1', [sha256Of('lost')])
    await database.query('update blobs set condemned_at = 5')
    for (const row of await audit.objectsAfter(null, 10)) await audit.book(row)
    expect((await audit.objectsAfter(null, 10)).map(row => [row.bookedSize, row.isCondemned])).toEqual([
      [4, false],
      [9, false],
    ])
  })

  it('leaves what nobody names any more to the collector', async () => {
    const { audit, catalog } = await open()
    await audit.book({ sha256: sha256Of('gone'), size: 4 })
    expect(await catalog.condemnedSum(Number.MAX_SAFE_INTEGER)).toEqual({ blobs: 1, bytes: 4 })
  })

  it('condemns what nobody names, and nothing else', async () => {
    const { audit, catalog, database } = await open()
    await catalog.keep(rowOf('files', 'a', 'named'))
    await catalog.keep(rowOf('files', 'b', 'stray'))
    await database.query("delete from objects where key = 'b'")
    const blobs = await audit.blobsAfter('', 10)
    expect(blobs.filter(blob => !blob.isNamed)).toEqual([
      { sha256: sha256Of('stray'), size: 5, isNamed: false },
    ])
    for (const blob of blobs) await audit.condemn(blob)
    expect((await audit.blobsAfter('', 10)).map(blob => blob.sha256)).toEqual([sha256Of('named')])
    expect(await catalog.condemnedSum(Number.MAX_SAFE_INTEGER)).toEqual({ blobs: 1, bytes: 5 })
  })

  it('sets a size right wherever it stands', async () => {
    const { audit, catalog, database } = await open()
    await catalog.keep(rowOf('files', 'a', 'bytes'))
    await catalog.keep(rowOf('more', 'b', 'bytes'))
    await database.query('update blobs set size = 77')
    await audit.resize({ sha256: sha256Of('bytes'), size: 5 })
    expect((await audit.objectsAfter(null, 10)).map(row => [row.size, row.bookedSize])).toEqual([
      [5, 5],
      [5, 5],
    ])
  })

  it('knows what is in the books', async () => {
    const { audit, catalog } = await open()
    for (let i = 0; i < 250; i++) await catalog.announce(sha256Of(`${i}`), 1)
    const asked = Array.from({ length: 300 }, (_, i) => sha256Of(`${i}`))
    const known = await audit.known(asked)
    expect(known.size).toBe(250)
    expect(known.has(sha256Of('249'))).toBe(true)
    expect(known.has(sha256Of('250'))).toBe(false)
    expect((await audit.known([])).size).toBe(0)
  })

  it('finds figures that are wrong, and counts again', async () => {
    const { audit, catalog, database } = await open()
    await catalog.keep(rowOf('files', 'a', 'bytes'))
    await catalog.keep(rowOf('files', 'b', 'bytes'))
    await catalog.keep(rowOf('more', 'c', 'others'))
    await catalog.keep(rowOf('lost', 'd', 'x'))
    const right = await catalog.usage()
    expect(await audit.wrongUsage()).toEqual([])
    await database.query("update usage set bytes = bytes + 3 where repository = 'files'")
    await database.query("update usage set objects = objects - 1 where repository = ''")
    await database.query("delete from usage where repository = 'lost'")
    await database.query("insert into usage (repository, bytes, objects) values ('never', 5, 1)")
    expect(await audit.wrongUsage()).toEqual([
      { repository: '', bytes: 0, objects: -1 },
      { repository: 'files', bytes: 3, objects: 0 },
      { repository: 'lost', bytes: -1, objects: -1 },
      { repository: 'never', bytes: 5, objects: 1 },
    ])
    await audit.recount()
    expect(await audit.wrongUsage()).toEqual([])
    const now = await catalog.usage()
    expect([now.bytes, now.blobs]).toEqual([right.bytes, right.blobs])
    expect(new Map([...now.repositories].filter(([name]) => name !== 'never'))).toEqual(right.repositories)
  })

  it('finds nothing wrong with nothing', async () => {
    const { audit } = await open()
    expect(await audit.wrongUsage()).toEqual([])
    await audit.recount()
    expect(await audit.wrongUsage()).toEqual([])
  })

  it('counts right beside those who write', async () => {
    const { audit, catalog, database } = await open()
    await catalog.keep(rowOf('files', 'first', 'x'))
    await database.query('update usage set bytes = 1000, objects = 1000')
    const writing = Array.from({ length: 60 }, (_, i) => catalog.keep(rowOf('files', `${i}`, `content ${i}`)))
    await Promise.all([...writing, audit.recount(), audit.recount()])
    expect(await audit.wrongUsage()).toEqual([])
  })
})
