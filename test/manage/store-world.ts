// Stores for the tests of what moves them: rows in SQLite, blobs in memory, filled without a server.

import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { createSqliteDatabase } from '../../runtimes/shared/sqlite-database.ts'
import { createCatalog, type ListedObject, migrate } from '../../src/catalog/catalog.ts'
import { createStock } from '../../src/catalog/stock.ts'
import { createMemoryBlobs } from '../../src/drivers/memory-blobs.ts'
import type { Store } from '../../src/manage/stores.ts'
import type { BlobStore } from '../../src/ports/blob-store.ts'
import type { Database } from '../../src/ports/database.ts'
import { rowOf } from '../catalog/sample-rows.ts'
import { FakeClock } from '../fake-clock.ts'
import { sha256Of } from '../pattern-body.ts'

export interface TestStore extends Store {
  readonly database: Database
  readonly clock: FakeClock
  readonly catalog: ReturnType<typeof createCatalog>
  /** Keeps an object whose bytes are `content`. */
  keep(name: string, content: string, more?: Partial<ListedObject>): Promise<ListedObject>
  /** Other bytes of the same length under the same name. */
  damage(content: string): Promise<void>
  /** Objects and what their bytes are; `null` where there are none. */
  contents(): Promise<Record<string, string | null>>
}

export async function openTestStore(
  given: { database?: Database; blobs?: BlobStore; clock?: FakeClock } = {},
): Promise<TestStore> {
  const { database = createSqliteDatabase({ path: ':memory:' }), clock = new FakeClock() } = given
  const damaged = new Map<string, string>()
  const memory = given.blobs ?? createMemoryBlobs({ hasher: nodeHasher, clock })
  const blobs = withDamage(memory, damaged)
  await migrate(database)
  const stock = createStock(database, clock)
  return {
    database,
    clock,
    stock,
    blobs,
    catalog: createCatalog(database, clock),
    async keep(name, content, more = {}) {
      const [repository = '', ...rest] = name.split('/')
      const row = { ...rowOf(repository, rest.join('/'), content), accessedAt: 5, hits: 7, ...more }
      const stage = await blobs.stage({ size: content.length })
      await stage.write(new TextEncoder().encode(content))
      await stage.commit(({ sha256, size }) => stock.announce(sha256, size))
      await stock.place(row)
      return row
    },
    async damage(content) {
      damaged.set(sha256Of(content), `!${content.slice(1)}`)
    },
    async contents() {
      const found: Record<string, string | null> = {}
      for (const row of await stock.objectsAfter(null, 10_000)) {
        const blob = await blobs.open(row.sha256, row.size)
        found[`${row.repository}/${row.key}`] =
          blob === null ? null : await new Response(blob.stream()).text()
      }
      return found
    },
  }
}

/** As a bad disk does it. */
function withDamage(store: BlobStore, damaged: ReadonlyMap<string, string>): BlobStore {
  return {
    ...store,
    async open(sha256, size) {
      const blob = await store.open(sha256, size)
      const wrong = damaged.get(sha256)
      if (blob === null || wrong === undefined) return blob
      const stream = () => new Response(wrong).body as ReadableStream<Uint8Array> // it was given one
      return { sha256, size: blob.size, stream }
    },
  }
}
