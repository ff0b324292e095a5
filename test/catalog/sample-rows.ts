// Rows for the tests of the catalog.

import { afterAll, beforeAll, describe, onTestFinished } from 'vitest'
import { createSqliteDatabase } from '../../runtimes/shared/sqlite-database.ts'
import { type Catalog, createCatalog, migrate } from '../../src/catalog/catalog.ts'
import type { ObjectRow } from '../../src/model/object.ts'
import type { Database } from '../../src/ports/database.ts'
import { FakeClock } from '../fake-clock.ts'
import { sha256Of } from '../pattern-body.ts'
import { hasPostgres, openPostgres, type PostgresService, startPostgres } from '../services/postgres.ts'

export interface Books {
  readonly catalog: Catalog
  readonly database: Database
  readonly clock: FakeClock
}

export type OpenBooks = () => Promise<Books>

/** The same tests on every database that the catalog is kept in. */
export function describeOnEach(tests: (openBooks: OpenBooks) => void): void {
  describe('on SQLite', () => tests(openBooks))
  describe.skipIf(!hasPostgres())('on Postgres', () => {
    let server: PostgresService
    beforeAll(async () => {
      server = await startPostgres()
    })
    afterAll(() => server?.stop())
    tests(() => openBooksIn(openPostgres(server.options({ connections: 2 })).database))
  })
}

export function openBooks(): Promise<Books> {
  return openBooksIn(createSqliteDatabase({ path: ':memory:' }))
}

async function openBooksIn(database: Database): Promise<Books> {
  onTestFinished(() => database.close())
  const clock = new FakeClock()
  await migrate(database)
  return { catalog: createCatalog(database, clock), database, clock }
}

/** A row whose bytes are `content`: the same content is the same blob. */
export function rowOf(
  repository: string,
  key: string,
  content: string,
  more: Partial<ObjectRow> = {},
): ObjectRow {
  return {
    repository,
    key,
    path: key,
    fileName: 'x',
    pathClass: 'immutable',
    sha256: sha256Of(content),
    size: content.length,
    contentType: null,
    contentEncoding: null,
    etag: null,
    lastModified: null,
    storedAt: 1,
    checkedAt: 1,
    freshUntil: null,
    publishedAt: null,
    isPinned: false,
    ...more,
  }
}
