// Rows for the tests of the catalog.

import { createSqliteDatabase } from '../../runtimes/shared/sqlite-database.ts'
import { type Catalog, createCatalog, migrate } from '../../src/catalog/catalog.ts'
import type { ObjectRow } from '../../src/model/object.ts'
import type { Database } from '../../src/ports/database.ts'
import { FakeClock } from '../fake-clock.ts'
import { sha256Of } from '../pattern-body.ts'

export interface Books {
  readonly catalog: Catalog
  readonly database: Database
  readonly clock: FakeClock
}

export async function openBooks(): Promise<Books> {
  const clock = new FakeClock()
  const database = createSqliteDatabase({ path: ':memory:' })
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
