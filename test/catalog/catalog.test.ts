import { describe, expect, it } from 'vitest'
import type { Catalog } from '../../src/catalog/catalog.ts'
import type { FakeClock } from '../fake-clock.ts'
import { sha256Of } from '../pattern-body.ts'
import { describeOnEach, rowOf } from './sample-rows.ts'

describeOnEach(openBooks => {
  describe('an object', () => {
    it('is found as it was kept, with all it is', async () => {
      const { catalog } = await openBooks()
      const row = rowOf('a', 'x?é', 'abc', {
        path: 'x',
        fileName: 'é',
        pathClass: 'mutable',
        contentType: 'text/plain',
        contentEncoding: 'gzip',
        etag: 'W/"1"',
        lastModified: 'Thu, 01 Jan 2026 00:00:00 GMT',
        size: 2 ** 41,
        storedAt: 1_767_225_600_123,
        checkedAt: 2,
        freshUntil: 0,
        publishedAt: 4,
        isPinned: true,
      })
      await catalog.keep(row)
      expect(await catalog.find('a', 'x?é')).toEqual(row)
      expect(await catalog.find('b', 'x?é')).toBeNull()
      expect(await catalog.objectsOfBlob(row.sha256)).toEqual([row])
    })

    it('is refreshed only while it names the same bytes', async () => {
      const { catalog } = await openBooks()
      const [old, other] = [rowOf('a', 'x', 'old'), rowOf('a', 'x', 'other')]
      await catalog.keep(old)
      expect(await catalog.refresh({ ...old, freshUntil: 9, etag: '"2"' })).toBe(true)
      expect(await catalog.find('a', 'x')).toEqual({ ...old, freshUntil: 9, etag: '"2"' })
      await catalog.keep(other)
      expect(await catalog.refresh({ ...old, freshUntil: 10 })).toBe(false)
      expect(await catalog.find('a', 'x')).toEqual(other)
      await catalog.forget(other)
      expect(await catalog.refresh({ ...other, freshUntil: 11 })).toBe(false)
      expect(await catalog.find('a', 'x')).toBeNull()
    })

    it('is not forgotten by who speaks of other bytes', async () => {
      const { catalog } = await openBooks()
      await catalog.keep(rowOf('a', 'x', 'new'))
      await catalog.forget(rowOf('a', 'x', 'old'))
      expect(await catalog.find('a', 'x')).toEqual(rowOf('a', 'x', 'new'))
    })
  })

  describe('a blob', () => {
    const blob = { sha256: sha256Of('abc'), size: 3 }

    it('is condemned from its announcement until an object names it', async () => {
      const { catalog, clock } = await openBooks()
      await catalog.announce(blob.sha256, 3)
      expect(await condemned(catalog, clock)).toEqual([{ ...blob, condemnedAt: clock.now() }])
      await catalog.keep(rowOf('a', 'x', 'abc'))
      expect(await condemned(catalog, clock)).toEqual([])
    })

    it('is condemned when its last object is forgotten', async () => {
      const { catalog, clock } = await openBooks()
      await catalog.keep(rowOf('a', 'x', 'abc'))
      await catalog.keep(rowOf('b', 'x', 'abc'))
      await catalog.forget(rowOf('a', 'x', 'abc'))
      expect(await condemned(catalog, clock)).toEqual([])
      await catalog.forget(rowOf('b', 'x', 'abc'))
      expect(await condemned(catalog, clock)).toEqual([{ ...blob, condemnedAt: clock.now() }])
    })

    it('is condemned when its last object is replaced, by its own bytes never', async () => {
      const { catalog, clock } = await openBooks()
      await catalog.keep(rowOf('a', 'x', 'abc', { storedAt: 5 }))
      await catalog.keep(rowOf('a', 'x', 'abc', { storedAt: 6 }))
      expect(await condemned(catalog, clock)).toEqual([])
      await catalog.keep(rowOf('a', 'x', 'other', { storedAt: 7 }))
      expect(await condemned(catalog, clock)).toEqual([{ ...blob, condemnedAt: 7 }])
    })

    it('is told of only when its term is over', async () => {
      const { catalog, clock } = await openBooks()
      await catalog.announce(blob.sha256, 3)
      expect(await catalog.condemned(clock.now() - 1, 10)).toEqual([])
      expect(await catalog.condemnedSum(clock.now() - 1)).toEqual({ blobs: 0, bytes: 0 })
      expect(await catalog.condemnedSum(clock.now())).toEqual({ blobs: 1, bytes: 3 })
    })

    it('gets a new term when it is announced again', async () => {
      const { catalog, clock } = await openBooks()
      await catalog.announce(blob.sha256, 3)
      await clock.advance(1000)
      await catalog.announce(blob.sha256, 3)
      expect(await condemned(catalog, clock)).toEqual([{ ...blob, condemnedAt: clock.now() }])
    })

    it('is gone from the books once it was claimed and dropped', async () => {
      const { catalog, clock } = await openBooks()
      await catalog.announce(blob.sha256, 3)
      const [found] = await condemned(catalog, clock)
      expect(await catalog.claim(found!)).toBe(true)
      expect(await condemned(catalog, clock)).toEqual([found])
      expect(await catalog.drop(found!)).toBe(true)
      expect(await condemned(catalog, clock)).toEqual([])
      expect((await catalog.usage()).bytes).toBe(0)
      expect(await catalog.drop(found!)).toBe(false)
    })

    it('may be claimed twice, by who was cut off', async () => {
      const { catalog, clock } = await openBooks()
      await catalog.announce(blob.sha256, 3)
      const [found] = await condemned(catalog, clock)
      expect([await catalog.claim(found!), await catalog.claim(found!)]).toEqual([true, true])
    })

    it('is dropped by nobody who did not claim it', async () => {
      const { catalog, clock } = await openBooks()
      await catalog.announce(blob.sha256, 3)
      const [found] = await condemned(catalog, clock)
      expect(await catalog.drop(found!)).toBe(false)
      expect((await catalog.usage()).blobs).toBe(1)
    })

    it('is claimed by nobody once an object has it, or it was announced again', async () => {
      const { catalog, clock } = await openBooks()
      await catalog.announce(blob.sha256, 3)
      const [found] = await condemned(catalog, clock)
      await catalog.keep(rowOf('a', 'x', 'abc'))
      expect(await catalog.claim(found!)).toBe(false)
      await catalog.forget(rowOf('a', 'x', 'abc'))
      await clock.advance(1)
      await catalog.announce(blob.sha256, 3)
      expect(await catalog.claim(found!)).toBe(false)
    })

    it.each(['announced', 'kept'])('is not dropped when it was %s after its claim', async how => {
      const { catalog, clock } = await openBooks()
      await catalog.announce(blob.sha256, 3)
      const [found] = await condemned(catalog, clock)
      await catalog.claim(found!)
      await clock.advance(1)
      if (how === 'announced') await catalog.announce(blob.sha256, 3)
      else await catalog.keep(rowOf('a', 'x', 'abc'))
      expect(await catalog.drop(found!)).toBe(false)
      expect((await catalog.usage()).bytes).toBe(3)
    })

    it('is absolved when it was condemned although an object names it', async () => {
      const { catalog, clock, database } = await openBooks()
      await catalog.keep(rowOf('a', 'x', 'abc'))
      await database.query('update blobs set condemned_at = 1')
      const [found] = await condemned(catalog, clock)
      expect(await catalog.claim(found!)).toBe(false)
      expect(await condemned(catalog, clock)).toEqual([])
    })

    it('is verified when it is kept, and after those who were not for longer', async () => {
      const { catalog, clock } = await openBooks()
      await catalog.keep(rowOf('a', 'x', 'abc', { storedAt: 10 }))
      await catalog.keep(rowOf('a', 'y', 'de', { storedAt: 20 }))
      expect((await catalog.leastVerified(21, 10)).map(({ size }) => size)).toEqual([3, 2])
      await catalog.verified(blob.sha256)
      expect((await catalog.leastVerified(21, 10)).map(({ size }) => size)).toEqual([2])
      expect((await catalog.leastVerified(clock.now() + 1, 10)).map(({ size }) => size)).toEqual([2, 3])
    })
  })

  describe('touches', () => {
    it('are written in batches, together for each row', async () => {
      const { catalog, clock, database } = await openBooks()
      const rows = Array.from({ length: 700 }, (_, i) => rowOf('a', String(i).padStart(3, '0'), 'abc'))
      for (const row of rows) await catalog.keep(row)
      const batches: number[] = []
      const batch = database.batch.bind(database)
      database.batch = statements => {
        batches.push(statements.length)
        return batch(statements)
      }
      for (let i = 0; i < 3; i++) {
        await clock.advance(1)
        for (const row of rows) catalog.touch(row)
      }
      expect(batches).toEqual([])
      await catalog.flushTouches()
      // 25 rows a statement.
      expect(batches).toEqual([20, 8])
      await catalog.flushTouches()
      expect(batches).toEqual([20, 8])
      const [first] = await catalog.list('a', { limit: 1 })
      expect([first?.hits, first?.accessedAt]).toEqual([3, clock.now()])
    })

    it('decide who is used least; what is pinned is not named', async () => {
      const { catalog, clock } = await openBooks()
      const rows = ['x', 'y', 'z'].map(key => rowOf('a', key, key))
      for (const row of rows) await catalog.keep(row)
      await catalog.keep(rowOf('a', 'pinned', 'p', { isPinned: true }))
      await catalog.keep(rowOf('b', 'x', 'x', { storedAt: 2 }))
      await clock.advance(1)
      catalog.touch(rows[0]!)
      await catalog.flushTouches()
      expect((await catalog.leastUsed('a', 10)).map(({ key }) => key)).toEqual(['y', 'z', 'x'])
      expect((await catalog.leastUsed(null, 3)).map(({ repository }) => repository)).toEqual(['a', 'a', 'b'])
    })
  })

  describe('listing', () => {
    const keys = [
      '',
      '%',
      '%/a',
      'a',
      'a%b',
      'a_b',
      'aXb',
      'dist/a',
      'dist/é',
      'dist/日本',
      'dist/😀',
      'e',
      '_',
    ]

    it('goes through every key once, a page at a time', async () => {
      const catalog = await listed()
      for (const limit of [1, 2, 5, 100]) {
        const found: string[] = []
        for (let after: string | undefined; ; ) {
          const page = await catalog.list('a', { after, limit })
          found.push(...page.map(({ key }) => key))
          if (page.length < limit) break
          after = found.at(-1)
        }
        expect([...found].sort()).toEqual([...keys].sort())
        expect(found.length).toBe(keys.length)
      }
    })

    it.each([
      ['dist/', ['dist/a', 'dist/é', 'dist/日本', 'dist/😀']],
      ['dist/日', ['dist/日本']],
      ['%', ['%', '%/a']],
      ['a%', ['a%b']],
      ['a_', ['a_b']],
      ['_', ['_']],
      ['nothing', []],
    ])('with the prefix %j takes it as it stands', async (prefix, wanted) => {
      const catalog = await listed()
      expect((await catalog.list('a', { prefix, limit: 100 })).map(({ key }) => key)).toEqual(wanted)
    })

    it.each([
      ['before it', 'a', ['dist/a', 'dist/é', 'dist/日本', 'dist/😀']],
      ['behind it', 'e', []],
    ])('goes on with a prefix from a key %s', async (_, after, wanted) => {
      const catalog = await listed()
      const page = await catalog.list('a', { prefix: 'dist/', after, limit: 100 })
      expect(page.map(({ key }) => key)).toEqual(wanted)
    })

    it('goes on within a prefix', async () => {
      const catalog = await listed()
      const page = await catalog.list('a', { prefix: 'dist/', after: 'dist/a', limit: 2 })
      expect(page.map(({ key }) => key)).toEqual(['dist/é', 'dist/日本'])
    })

    async function listed(): Promise<Catalog> {
      const { catalog } = await openBooks()
      for (const key of keys) await catalog.keep(rowOf('a', key, 'abc'))
      await catalog.keep(rowOf('b', 'dist/of b', 'abc'))
      return catalog
    }
  })

  describe('what the database keeps beside objects', () => {
    it('has repositories that are put, replaced and dropped', async () => {
      const { catalog } = await openBooks()
      await catalog.putRepository('b', '{"a":1}')
      await catalog.putRepository('a', '{}')
      await catalog.putRepository('b', '{"a":2}')
      expect(await catalog.repositories()).toEqual([
        { name: 'a', settings: '{}' },
        { name: 'b', settings: '{"a":2}' },
      ])
      expect([await catalog.dropRepository('a'), await catalog.dropRepository('a')]).toEqual([true, false])
    })

    it('has one secret of a name for all who ask at once', async () => {
      const { catalog } = await openBooks()
      let made = 0
      const secrets = await Promise.all(
        Array.from({ length: 10 }, () => catalog.secret('token', () => `s${++made}`)),
      )
      expect(new Set(secrets).size).toBe(1)
      expect(await catalog.secret('token', () => 'another')).toBe(secrets[0])
    })
  })
})

function condemned(catalog: Catalog, clock: FakeClock) {
  return catalog.condemned(clock.now(), 10)
}
