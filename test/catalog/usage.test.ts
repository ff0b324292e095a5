import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCatalog, migrate } from '../../src/catalog/catalog.ts'
import type { ObjectRow } from '../../src/model/object.ts'
import { FakeClock } from '../fake-clock.ts'
import {
  hasPostgres,
  type OpenedPostgres,
  openPostgres,
  type PostgresService,
  startPostgres,
} from '../services/postgres.ts'
import { type Books, describeOnEach, rowOf } from './sample-rows.ts'

describeOnEach(openBooks => {
  describe('the books on sizes', () => {
    it.each([1, 2, 3, 4, 5, 6])('are exact after anything that may happen (seed %i)', async seed => {
      const books = await openBooks()
      const model = createModel()
      const random = randomOf(seed)
      const one = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
      for (let step = 0; step < 400; step++) {
        await books.clock.advance(1)
        const now = books.clock.now()
        const row = rowOf(one(['a', 'b', 'c']), one(['x', 'y', 'z']), one(CONTENTS), { storedAt: now })
        const known = one([...model.objects.values(), row])
        const [condemned] = await books.catalog.condemned(now, 1)
        const action = one([
          'keep',
          'keep',
          'keep',
          'forget',
          'forget',
          'announce',
          'claim',
          'drop',
          'refresh',
        ])
        if (action === 'keep') await books.catalog.keep(model.keep(row))
        // Also rows that are no longer, or never were, what the catalog has.
        if (action === 'forget') await books.catalog.forget(model.forget(one([known, row]), now))
        if (action === 'announce') await books.catalog.announce(row.sha256, model.announce(row, now))
        if (action === 'refresh') await books.catalog.refresh({ ...known, checkedAt: now })
        if (action === 'claim' && condemned) {
          expect(await books.catalog.claim(condemned)).toBe(true)
          model.claimed.add(condemned.sha256)
        }
        if (action === 'drop' && condemned) {
          expect(await books.catalog.drop(condemned)).toBe(model.drop(condemned.sha256))
        }
        expect(await told(books)).toEqual(model.told())
      }
      expect(model.dropped).toBeGreaterThan(3)
    })

    it('count a blob once, however many objects name it', async () => {
      const { catalog } = await openBooks()
      for (const repository of ['a', 'b'])
        for (const key of ['x', 'y']) await catalog.keep(rowOf(repository, key, 'same bytes'))
      const usage = await catalog.usage()
      expect([usage.bytes, usage.blobs]).toEqual([10, 1])
      expect(usage.repositories.get('a')).toEqual({ bytes: 20, objects: 2 })
    })
  })
})

describe.skipIf(!hasPostgres())('the books on sizes, written by many at once', () => {
  let server: PostgresService
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.stop())

  it('are exact: eight processes keep, announce, forget, claim and drop the same objects and blobs', async () => {
    const options = server.options({ connections: 4 })
    const processes = Array.from({ length: 8 }, () => openPostgres(options))
    await Promise.all(processes.map(({ database }) => migrate(database)))
    const clock = new FakeClock()
    const done = { forget: 0, drop: 0 }
    const contents = Array.from({ length: 20 }, (_, i) => 'x'.repeat(i + 1))

    async function work({ database }: OpenedPostgres, seed: number): Promise<void> {
      const catalog = createCatalog(database, clock)
      const random = randomOf(seed)
      const one = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
      for (let step = 0; step < 120; step++) {
        await clock.advance(1)
        const row = rowOf(one(['a', 'b']), one(['x', 'y', 'z']), one(contents), { storedAt: clock.now() })
        const action = one(['keep', 'keep', 'forget', 'forget', 'announce', 'collect', 'touch', 'refresh'])
        if (action === 'keep') await catalog.keep(row)
        if (action === 'announce') await catalog.announce(row.sha256, row.size)
        if (action === 'refresh') await catalog.refresh({ ...row, checkedAt: step })
        if (action === 'touch') {
          catalog.touch(row)
          await catalog.flushTouches()
        }
        if (action === 'forget') {
          const found = await catalog.look(row.repository, row.key)
          if (found !== null) done.forget++
          await catalog.forget(found ?? row)
        }
        if (action === 'collect') {
          const [blob] = await catalog.condemned(clock.now(), 1)
          if (blob !== undefined && (await catalog.claim(blob)) && (await catalog.drop(blob))) done.drop++
        }
      }
    }

    // Three at once in each process, so that batches are written together too.
    await Promise.all(processes.flatMap((each, i) => [0, 1, 2].map(n => work(each, i * 3 + n))))
    const [{ database }] = processes as [OpenedPostgres]
    const counted = await database.query(
      `select repository, cast(sum(size) as bigint) as bytes, cast(count(*) as integer) as objects
        from objects group by repository
        union all select '', cast(coalesce(sum(size), 0) as bigint), cast(count(*) as integer) from blobs
        order by repository`,
    )
    const written = await database.query(
      `select repository, bytes, objects from usage where objects > 0 or repository = '' order by repository`,
    )
    expect(written).toEqual(counted)
    const wrong = await database.query(
      `select sha256 from blobs where (condemned_at is null) <> exists (select 1 from objects where sha256 = blobs.sha256)`,
    )
    expect(wrong).toEqual([])
    expect(Math.min(done.forget, done.drop)).toBeGreaterThan(5)
    await Promise.all(processes.map(each => each.close()))
  })
})

const CONTENTS = ['1', '22', '333', '4444', '55555']

/** The same books, kept in the plainest way. */
function createModel() {
  const objects = new Map<string, ObjectRow>()
  const blobs = new Map<string, { size: number; condemnedAt: number | null }>()
  const repositories = new Set<string>()
  const claimed = new Set<string>()
  let dropped = 0
  const idOf = (row: ObjectRow) => `${row.repository} ${row.key}`
  const isNamed = (sha256: string) => [...objects.values()].some(row => row.sha256 === sha256)

  return {
    objects,
    claimed,
    get dropped() {
      return dropped
    },
    keep(row: ObjectRow): ObjectRow {
      const before = objects.get(idOf(row))
      repositories.add(row.repository)
      objects.set(idOf(row), row)
      blobs.set(row.sha256, { size: row.size, condemnedAt: null })
      claimed.delete(row.sha256)
      const left = before === undefined ? undefined : blobs.get(before.sha256)
      if (before !== undefined && left !== undefined && !isNamed(before.sha256))
        left.condemnedAt = row.storedAt
      return row
    },
    forget(row: ObjectRow, now: number): ObjectRow {
      if (objects.get(idOf(row))?.sha256 === row.sha256) objects.delete(idOf(row))
      const blob = blobs.get(row.sha256)
      if (blob !== undefined && blob.condemnedAt === null && !isNamed(row.sha256)) blob.condemnedAt = now
      return row
    },
    announce({ sha256, size }: ObjectRow, now: number): number {
      const blob = blobs.get(sha256)
      if (blob === undefined) blobs.set(sha256, { size, condemnedAt: now })
      else if (blob.condemnedAt !== null) blob.condemnedAt = now
      claimed.delete(sha256)
      return size
    },
    drop(sha256: string): boolean {
      if (!claimed.delete(sha256)) return false
      dropped++
      return blobs.delete(sha256)
    },
    told() {
      const figures = [...repositories].map(name => {
        const rows = [...objects.values()].filter(row => row.repository === name)
        return [name, { bytes: sumOf(rows), objects: rows.length }] as const
      })
      const condemned = [...blobs].flatMap(([sha256, { size, condemnedAt }]) =>
        condemnedAt === null ? [] : [{ sha256, size, condemnedAt }],
      )
      const living = [...blobs].filter(([, { condemnedAt }]) => condemnedAt === null)
      return {
        blobs: { bytes: sumOf([...blobs.values()]), blobs: blobs.size },
        figures: Object.fromEntries(figures),
        condemned: condemned.sort(bySha256),
        condemnedSum: { blobs: condemned.length, bytes: sumOf(condemned) },
        living: living.map(([sha256, { size }]) => ({ sha256, size })).sort(bySha256),
      }
    },
  }
}

async function told({ catalog, clock }: Books) {
  const { bytes, blobs, repositories } = await catalog.usage()
  return {
    blobs: { bytes, blobs },
    figures: Object.fromEntries(repositories),
    condemned: (await catalog.condemned(clock.now(), 100)).sort(bySha256),
    condemnedSum: await catalog.condemnedSum(clock.now()),
    living: await catalog.blobsAfter('', 100),
  }
}

function bySha256(a: { sha256: string }, b: { sha256: string }): number {
  return a.sha256 < b.sha256 ? -1 : 1
}

function sumOf(rows: readonly { size: number }[]): number {
  return rows.reduce((sum, { size }) => sum + size, 0)
}

/** mulberry32: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
