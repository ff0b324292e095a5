// What every Database does: the statements a catalog is made of, in the dialect that Postgres, SQLite and D1 share.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Problem } from '../../src/model/problem.ts'
import type { Database, SqlValue, Statement } from '../../src/ports/database.ts'

export interface DatabaseSubject {
  readonly database: Database
  close?(): Promise<void>
}

export interface DatabaseLimits {
  /** A statement of several kilobytes of rows has more parameters than the product allows. */
  readonly parametersPerStatement?: number
  /** It has no way to read a snapshot in pages. */
  readonly isSnapshotWhole?: boolean
}

export function describeDatabase(
  name: string,
  open: () => Promise<DatabaseSubject>,
  limits: DatabaseLimits = {},
) {
  describe(`Database contract: ${name}`, () => {
    let subject: DatabaseSubject
    let database: Database

    beforeAll(async () => {
      subject = await open()
      database = subject.database
    })
    afterAll(() => subject?.close?.())

    beforeEach(async () => {
      await database.batch([
        { sql: 'drop table if exists objects' },
        { sql: 'drop table if exists blobs' },
        {
          sql: `create table blobs (
            sha256 text primary key,
            size bigint not null check (size >= 0),
            condemned_at bigint
          )`,
        },
        {
          sql: `create table objects (
            repository text not null,
            path text not null,
            sha256 text references blobs (sha256),
            size bigint,
            used_at bigint not null default 0,
            primary key (repository, path)
          )`,
        },
        { sql: 'create index if not exists objects_by_use on objects (used_at, repository, path)' },
      ])
    })

    async function countObjects() {
      const [row] = await database.query('select cast(count(*) as integer) as n from objects')
      return row?.n
    }

    function insert(repository: string, path: string, used = 0): Statement {
      return {
        sql: 'insert into objects (repository, path, used_at) values ($1, $2, $3)',
        values: [repository, path, used],
      }
    }

    it('answers rows by their column names, and no rows with an empty list', async () => {
      await database.query('insert into objects (repository, path, size) values ($1, $2, $3)', [
        'npm',
        'a',
        5,
      ])
      expect(
        await database.query('select path, size as bytes from objects where repository = $1', ['npm']),
      ).toEqual([{ path: 'a', bytes: 5 }])
      expect(await database.query('select path from objects where repository = $1', ['none'])).toEqual([])
    })

    it('uses a parameter twice, and parameters in any order', async () => {
      const [row] = await database.query(
        'select cast($2 as text) as second, cast($1 as text) as first, cast($2 as text) as again',
        ['one', 'two'],
      )
      expect(row).toEqual({ second: 'two', first: 'one', again: 'two' })
    })

    it.each([[[]], [['one']], [['one', 'two', 'three']]])(
      'refuses too few or too many values: %s',
      async values => {
        const sql = 'select cast($1 as text) as first, cast($2 as text) as second'
        await expect(database.query(sql, values)).rejects.toMatchObject({ code: 'database-broken' })
      },
    )

    it('leaves a placeholder in a text alone', async () => {
      expect(
        await database.query(`select 'costs $1 and ''$2''' as text, cast($1 as text) as value`, ['x']),
      ).toEqual([{ text: "costs $1 and '$2'", value: 'x' }])
    })

    it('inserts or updates in one statement and tells the result', async () => {
      const sql = `insert into objects (repository, path, size, used_at) values ($1, $2, $3, $4)
        on conflict (repository, path) do update set size = excluded.size, used_at = objects.used_at + 1
        returning path, size, used_at`
      expect(await database.query(sql, ['npm', 'a', 1, 10])).toEqual([{ path: 'a', size: 1, used_at: 10 }])
      expect(await database.query(sql, ['npm', 'a', 2, 99])).toEqual([{ path: 'a', size: 2, used_at: 11 }])
      expect(await countObjects()).toBe(1)
    })

    it('leaves a row that exists alone where it was told to', async () => {
      const sql = `insert into objects (repository, path, size) values ($1, $2, $3)
        on conflict (repository, path) do nothing returning size`
      expect(await database.query(sql, ['npm', 'a', 1])).toEqual([{ size: 1 }])
      expect(await database.query(sql, ['npm', 'a', 2])).toEqual([])
      expect(await database.query('select size from objects')).toEqual([{ size: 1 }])
    })

    it('tells what an update and a deletion concerned', async () => {
      await database.batch([insert('npm', 'a'), insert('npm', 'b'), insert('pypi', 'c')])
      const updated = await database.query(
        'update objects set size = 7 where repository = $1 returning path',
        ['npm'],
      )
      expect(updated.map(row => row.path).sort()).toEqual(['a', 'b'])
      const deleted = await database.query('delete from objects where size = $1 returning path', [7])
      expect(deleted).toHaveLength(2)
      expect(await countObjects()).toBe(1)
    })

    it('inserts several rows from a query and by one statement', async () => {
      await database.query('insert into objects (repository, path) values ($1, $2), ($1, $3)', [
        'npm',
        'a',
        'b',
      ])
      await database.query(
        `insert into objects (repository, path) select $1, path from objects where repository = $2 and true
         on conflict (repository, path) do nothing`,
        ['copy', 'npm'],
      )
      expect(await countObjects()).toBe(4)
    })

    it('pages by the last row seen', async () => {
      const rows = ['a/1', 'a/2', 'b/1', 'b/2', 'b/3']
      await database.batch(rows.map(row => insert(row.slice(0, 1), row.slice(2))))
      const seen: string[] = []
      let last: SqlValue[] = ['', '']
      for (;;) {
        const page = await database.query(
          `select repository, path from objects where (repository, path) > ($1, $2)
           order by repository, path limit $3`,
          [...last, 2],
        )
        const end = page.at(-1)
        if (end === undefined) break
        seen.push(...page.map(row => `${row.repository}/${row.path}`))
        last = [end.repository ?? null, end.path ?? null]
      }
      expect(seen).toEqual(rows)
    })

    it('orders texts by their bytes', async () => {
      const paths = ['é', 'Z', 'a', 'a/b', 'a-b', 'A', '😀', 'ﬀ']
      await database.batch(paths.map(path => insert('r', path)))
      const rows = await database.query('select path from objects order by path')
      expect(rows.map(row => row.path)).toEqual(
        paths.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      )
    })

    it('finds what begins with a text by its range', async () => {
      await database.batch(['a/', 'a/x', 'a0', 'A/x', 'a_x'].map(path => insert('r', path)))
      const rows = await database.query('select path from objects where path >= $1 and path < $2', [
        'a/',
        'a0',
      ])
      expect(rows.map(row => row.path).sort()).toEqual(['a/', 'a/x'])
    })

    it('keeps null apart from empty and zero', async () => {
      await database.query('insert into objects (repository, path, sha256, size) values ($1, $2, $3, $4)', [
        'r',
        '',
        null,
        0,
      ])
      expect(await database.query('select path, sha256, size from objects')).toEqual([
        { path: '', sha256: null, size: 0 },
      ])
      expect(
        await database.query('select path from objects where sha256 is null and cast($1 as text) is null', [
          null,
        ]),
      ).toHaveLength(1)
      expect(await database.query('select path from objects where sha256 = $1', [null])).toEqual([])
      expect(
        await database.query('select path from objects where sha256 is not distinct from $1', [null]),
      ).toHaveLength(1)
    })

    it('keeps every character of a text', async () => {
      const path = 'päckage/日本/😀/\'"\\%_$1?1\n\t;--'
      await database.query('insert into objects (repository, path) values ($1, $2)', ['r', path])
      expect(await database.query('select path from objects where path = $1', [path])).toEqual([{ path }])
    })

    it('keeps integers up to 2^53, as numbers', async () => {
      const values = [0, -1, 1_767_225_600_000, Number.MAX_SAFE_INTEGER]
      for (const [index, value] of values.entries()) await database.batch([insert('r', String(index), value)])
      const rows = await database.query('select used_at from objects order by path')
      expect(rows.map(row => row.used_at)).toEqual(values)
    })

    it('counts and sums as numbers', async () => {
      await database.batch([insert('a', '1', 5), insert('a', '2', 6), insert('b', '1', 7)])
      const rows = await database.query(
        `select repository, cast(count(*) as integer) as n, cast(coalesce(sum(used_at), 0) as bigint) as total
         from objects group by repository order by repository`,
      )
      expect(rows).toEqual([
        { repository: 'a', n: 2, total: 11 },
        { repository: 'b', n: 1, total: 7 },
      ])
    })

    it('answers the rows of every statement of a batch, in order', async () => {
      const answers = await database.batch([
        insert('r', 'a'),
        { sql: 'select path from objects' },
        { sql: 'delete from objects where path = $1 returning repository', values: ['a'] },
        { sql: 'select path from objects' },
      ])
      expect(answers).toEqual([[], [{ path: 'a' }], [{ repository: 'r' }], []])
      expect(await database.batch([])).toEqual([])
    })

    it('does nothing of a batch when a statement in its middle fails, and works on', async () => {
      await database.query('insert into objects (repository, path) values ($1, $2)', ['r', 'there'])
      const failed = database.batch([insert('r', 'before'), insert('r', 'there'), insert('r', 'after')])
      await expect(failed).rejects.toMatchObject({ name: 'Problem', code: 'database-broken' })
      expect(await database.query('select path from objects')).toEqual([{ path: 'there' }])
      await database.batch([insert('r', 'before'), insert('r', 'after')])
      expect(await countObjects()).toBe(3)
    })

    it('does nothing of a batch when a statement cannot be read', async () => {
      const failed = database.batch([insert('r', 'before'), { sql: 'insert into nowhere (a) values (1)' }])
      await expect(failed).rejects.toMatchObject({ code: 'database-broken' })
      expect(await countObjects()).toBe(0)
    })

    it('refuses rows that break a rule of the table', async () => {
      const tooSmall = database.query('insert into blobs (sha256, size) values ($1, $2)', ['x', -1])
      await expect(tooSmall).rejects.toMatchObject({ code: 'database-broken' })
      const noBlob = database.query('insert into objects (repository, path, sha256) values ($1, $2, $3)', [
        'r',
        'a',
        'x',
      ])
      await expect(noBlob).rejects.toMatchObject({ code: 'database-broken' })
      expect(await countObjects()).toBe(0)
    })

    it('says in a failure what was refused, with its cause', async () => {
      const error = await database.query('select path from nowhere').catch(error => error)
      expect(error).toBeInstanceOf(Problem)
      expect(error.message).toContain('nowhere')
    })

    it('sees columns that were added to a table it has read before', async () => {
      await database.batch([insert('r', 'a')])
      await database.query('select * from objects')
      await database.query('alter table objects add column note text')
      expect(await database.query('select * from objects')).toEqual([
        { repository: 'r', path: 'a', sha256: null, size: null, used_at: 0, note: null },
      ])
    })

    it('loses no update among fifty at once', async () => {
      await database.batch([insert('r', 'counter')])
      const sql = `update objects set used_at = used_at + 1 where path = 'counter' returning used_at`
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          i % 2 === 0 ? database.query(sql) : database.batch([{ sql }]).then(([rows = []]) => rows),
        ),
      )
      const seen = answers.flat().map(row => Number(row.used_at))
      expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
    })

    it('keeps ten thousand rows', async () => {
      const rowsPerStatement = Math.floor((limits.parametersPerStatement ?? 1000) / 2)
      const paths = Array.from({ length: 10_000 }, (_, i) => `path/${String(i).padStart(6, '0')}`)
      const statements: Statement[] = []
      for (let i = 0; i < paths.length; i += rowsPerStatement) {
        const part = paths.slice(i, i + rowsPerStatement)
        statements.push({
          sql: `insert into objects (repository, path) values ${part.map((_, n) => `($${n * 2 + 1}, $${n * 2 + 2})`).join(', ')}`,
          values: part.flatMap(path => ['r', path]),
        })
      }
      await database.batch(statements)
      expect(await countObjects()).toBe(10_000)
      const [row] = await database.query('select path from objects order by path desc limit 1')
      expect(row).toEqual({ path: 'path/009999' })
      await database.query(
        'delete from objects where (repository, path) in (select repository, path from objects limit $1)',
        [9000],
      )
      expect(await countObjects()).toBe(1000)
    })

    describe('a snapshot', () => {
      const ALL: Statement = { sql: 'select path from objects order by path' }

      async function pathsOf(statements: readonly Statement[]): Promise<unknown[][]> {
        const found: unknown[][] = statements.map(() => [])
        await database.snapshot(statements, async (rows, index) => {
          found[index]?.push(...rows.map(row => row.path))
        })
        return found
      }

      it('reads several statements, with their values, in their order', async () => {
        await database.batch([insert('npm', 'a'), insert('npm', 'b'), insert('pypi', 'c')])
        const one: Statement = { sql: 'select path from objects where repository = $1', values: ['pypi'] }
        const none: Statement = { sql: 'select path from objects where used_at = $1', values: [7] }
        expect(await pathsOf([one, none, ALL])).toEqual([['c'], [], ['a', 'b', 'c']])
        expect(await pathsOf([])).toEqual([])
      })

      it('is of one moment, whatever others write meanwhile', async () => {
        await database.batch([insert('r', 'a'), insert('r', 'b')])
        const seen: unknown[] = []
        await database.snapshot([ALL, ALL], async rows => {
          seen.push(rows.map(row => row.path))
          await database.batch([
            insert('r', `later-${seen.length}`),
            { sql: "delete from objects where path = 'a'" },
          ])
        })
        expect(seen).toEqual([
          ['a', 'b'],
          ['a', 'b'],
        ])
        expect(await pathsOf([ALL])).toEqual([['b', 'later-1', 'later-2']])
      })

      it('hands out many rows in pages, each once', async () => {
        await database.batch([
          insert('r', '0'),
          ...Array.from({ length: 12 }, (_, i) => ({
            sql: `insert into objects (repository, path) select repository, path || $1 from objects`,
            values: [`-${i}`],
          })),
        ])
        const pages: number[] = []
        const paths = new Set<unknown>()
        await database.snapshot([ALL], async rows => {
          pages.push(rows.length)
          for (const { path } of rows) paths.add(path)
        })
        expect(paths.size).toBe(4096)
        expect(pages.reduce((sum, length) => sum + length)).toBe(4096)
        expect(Math.max(...pages)).toBeLessThanOrEqual(limits.isSnapshotWhole ? 4096 : 1000)
      })

      it('ends with what its taker fails with, and leaves the database usable', async () => {
        await database.batch([insert('r', 'a')])
        const failure = new Error('no more room')
        const taken = database.snapshot([ALL], () => Promise.reject(failure))
        await expect(taken).rejects.toBe(failure)
        expect(await pathsOf([ALL])).toEqual([['a']])
      })

      it('refuses what the database refuses', async () => {
        const refused = database.snapshot([{ sql: 'select path from nowhere' }], async () => {})
        await expect(refused).rejects.toMatchObject({ code: 'database-broken' })
        expect(await pathsOf([ALL])).toEqual([[]])
      })
    })
  })
}
