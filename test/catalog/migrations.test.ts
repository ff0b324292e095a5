import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createSqliteDatabase } from '../../runtimes/shared/sqlite-database.ts'
import { createCatalog, migrate } from '../../src/catalog/catalog.ts'
import { migrations } from '../../src/catalog/migrations.ts'
import type { Database } from '../../src/ports/database.ts'
import { FakeClock } from '../fake-clock.ts'
import { hasPostgres, openPostgres, type PostgresService, startPostgres } from '../services/postgres.ts'
import { describeOnEach, rowOf } from './sample-rows.ts'

describeOnEach(openBooks => {
  describe('migrate', () => {
    it('changes nothing the second time', async () => {
      const { catalog, database } = await openBooks()
      await catalog.keep(rowOf('a', 'x', 'abc'))
      await migrate(database)
      expect(await catalog.find('a', 'x')).toEqual(rowOf('a', 'x', 'abc'))
    })

    it('fails when a migration does', async () => {
      const { database } = await openBooks()
      await database.query('delete from migrations')
      await expect(migrate(database)).rejects.toMatchObject({ code: 'database-broken' })
    })

    it('leaves what a newer version made alone, and works beside it', async () => {
      const { catalog, database } = await openBooks()
      await database.batch([
        { sql: 'insert into migrations (id) values (1001)' },
        { sql: `alter table objects add column shelf text not null default 'none'` },
        { sql: 'create table shelves (name text not null primary key)' },
      ])
      await migrate(database)
      await catalog.keep(rowOf('a', 'x', 'abc'))
      await catalog.keep(rowOf('a', 'x', 'other'))
      expect(await catalog.find('a', 'x')).toEqual(rowOf('a', 'x', 'other'))
      expect(await database.query('select shelf from objects')).toEqual([{ shelf: 'none' }])
      expect(await database.query('select id from migrations order by id')).toContainEqual({ id: 1001 })
    })
  })
})

describe('migrate', () => {
  it('is safe for ten processes that do it to one SQLite file at once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'artifactapi-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    await migrateAtOnce(() => createSqliteDatabase({ path: join(folder, 'catalog.db') }))
  })

  it('brings the tables of the first version up to date, with what they hold', async () => {
    const database = createSqliteDatabase({ path: ':memory:' })
    const [first] = migrations
    await database.batch([
      { sql: 'create table migrations (id integer not null primary key)' },
      { sql: 'insert into migrations (id) values (1)' },
      ...first!.statements.map(sql => ({ sql })),
    ])
    const catalog = createCatalog(database, new FakeClock())
    await catalog.keep(rowOf('a', 'x', 'abc'))
    await migrate(database)
    expect(await catalog.find('a', 'x')).toEqual(rowOf('a', 'x', 'abc'))
    expect(await database.query('select name from leases')).toEqual([])
  })

  it('never takes a number twice, and goes on from the last', () => {
    expect(migrations.map(({ id }) => id)).toEqual(migrations.map((_, i) => i + 1))
  })
})

describe.skipIf(!hasPostgres())('migrate on Postgres', () => {
  let server: PostgresService
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.stop())

  it('is safe for ten processes that do it to an empty database at once', async () => {
    const options = server.options()
    await migrateAtOnce(() => openPostgres(options).database)
  })

  it('makes its own schema, and leaves tables of the same names elsewhere alone', async () => {
    await server.psql(`
      create table public.objects (id serial primary key, name varchar(255));
      create table public.migrations (version text);
      create table public.leases (id int);
      insert into public.objects (name) values ('theirs');
      insert into public.migrations values ('7')`)
    const before = await shapeOf('public')
    const { database } = openPostgres(server.options({ schema: 'own' }))
    onTestFinished(() => database.close())
    await migrate(database)
    await createCatalog(database, new FakeClock()).keep(rowOf('a', 'x', 'abc'))
    expect(await shapeOf('public')).toEqual(before)
    expect(await server.psql('select name from public.objects')).toBe('theirs')
    expect(await server.psql('select version from public.migrations')).toBe('7')
    expect(await server.psql('select key from own.objects')).toBe('x')
  })

  it('orders texts by their bytes in a database of another collation', async () => {
    await server.psql(
      `create database words locale_provider icu icu_locale 'en-US' encoding utf8 template template0`,
    )
    expect(await server.psql(`select 'a' < 'B' and 'a_b' < 'aXb'`, 'words')).toBe('t')
    const { database } = openPostgres(server.options({ database: 'words' }))
    onTestFinished(() => database.close())
    await migrate(database)
    const catalog = createCatalog(database, new FakeClock())
    const keys = [
      '',
      '%',
      'B',
      'Z/z',
      '_',
      'a',
      'a%b',
      'aXb',
      'a_b',
      'dist/a',
      'dist/é',
      'dist/日本',
      'é',
      '😀',
    ]
    for (const key of keys) await catalog.keep(rowOf('r', key, key))
    const found = (await catalog.list('r', { limit: 100 })).map(({ key }) => key)
    expect(found).toEqual(keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
    for (const prefix of ['a', 'dist/', 'Z', '_', 'é']) {
      const page = await catalog.list('r', { prefix, limit: 100 })
      expect(page.map(({ key }) => key)).toEqual(found.filter(key => key.startsWith(prefix)))
    }
    const loose = await database.query(
      `select table_name, column_name from information_schema.columns
        where table_schema = current_schema() and data_type = 'text' and collation_name is distinct from 'C'`,
    )
    expect(loose).toEqual([])
  })

  function shapeOf(schema: string): Promise<string> {
    return server.psql(
      `select table_name, column_name, data_type from information_schema.columns where table_schema = '${schema}' order by 1, 2`,
    )
  }
})

async function migrateAtOnce(open: () => Database): Promise<void> {
  const databases = Array.from({ length: 10 }, open)
  try {
    await Promise.all(databases.map(migrate))
    const catalogs = databases.map(database => createCatalog(database, new FakeClock()))
    await Promise.all(catalogs.map((catalog, i) => catalog.keep(rowOf('a', `x${i}`, 'same'))))
    expect((await catalogs[0]!.usage()).repositories.get('a')).toEqual({ bytes: 40, objects: 10 })
  } finally {
    for (const database of databases) await database.close()
  }
}
