// What we know about the bytes: one row per repository and key, and the books on blobs and sizes. A row is
// written after its blob is kept, never before; a blob is announced before it becomes visible, so a crash between the
// two leaves nothing that the collector does not find.

import type { ObjectRow } from '../model/object.ts'
import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { Database, Repeating, Row, Statement } from '../ports/database.ts'
import { migrations } from './migrations.ts'
import { ALL_BLOBS, statements } from './statements.ts'

const TOUCH_BATCH = 500
/** What is safe to be written twice, when nobody knows whether it was. */
const REPEATABLE: Repeating = { isRepeatable: true }

export interface Catalog {
  find(repository: string, key: string): Promise<ObjectRow | null>
  /** As the database has it now, whatever this process remembers. */
  look(repository: string, key: string): Promise<ObjectRow | null>
  /** True while the database is known not to answer. */
  isAway(): boolean
  /** True when this very row object is at hand and holds. False does not mean that it changed: then `find` tells. */
  isCurrent(row: ObjectRow): boolean
  keep(row: ObjectRow): Promise<void>
  /** Writes down that a blob is about to appear. */
  announce(sha256: string, size: number): Promise<void>
  /** New freshness and validators for the same bytes. False when the row names others by now, or is gone. */
  refresh(row: ObjectRow): Promise<boolean>
  /** Drops the row if it still names these bytes; the blob is condemned when nobody else names it. */
  forget(row: ObjectRow): Promise<void>
  /** Notes a use; written in batches by `flushTouches`. */
  touch(row: ObjectRow): void
  flushTouches(): Promise<void>
  list(repository: string, options: ListOptions): Promise<ListedObject[]>
  leastUsed(repository: string | null, limit: number): Promise<ObjectRow[]>
  objectsOfBlob(sha256: string): Promise<ObjectRow[]>
  usage(): Promise<Usage>
  condemned(before: number, limit: number): Promise<CondemnedBlob[]>
  condemnedSum(before: number): Promise<{ readonly blobs: number; readonly bytes: number }>
  /** Marks a condemned blob as being removed; still condemned for all others. False when an object took it up again meanwhile. */
  claim(blob: CondemnedBlob): Promise<boolean>
  /** Forgets a claimed blob. False when it was announced again meanwhile. */
  drop(blob: CondemnedBlob): Promise<boolean>
  leastVerified(before: number, limit: number): Promise<KnownBlob[]>
  /** Blobs that are not condemned, in the order of their digests. */
  blobsAfter(sha256: string, limit: number): Promise<KnownBlob[]>
  verified(sha256: string): Promise<void>
  repositories(): Promise<{ name: string; settings: string }[]>
  putRepository(name: string, settings: string): Promise<void>
  /** False when there is none. */
  dropRepository(name: string): Promise<boolean>
  /** The secret of this name, made by `create` when there is none; the same for all who ask. */
  secret(name: string, create: () => string): Promise<string>
}

export interface ListOptions {
  readonly after?: string
  readonly prefix?: string
  readonly limit: number
}

export interface ListedObject extends ObjectRow {
  readonly accessedAt: number
  readonly hits: number
}

export interface KnownBlob {
  readonly sha256: string
  readonly size: number
}

export interface CondemnedBlob extends KnownBlob {
  readonly condemnedAt: number
}

export interface Usage {
  /** Distinct blobs. */
  readonly bytes: number
  readonly blobs: number
  readonly repositories: ReadonlyMap<string, { readonly bytes: number; readonly objects: number }>
}

/** Brings the tables up to date. Safe to run twice, and by two processes at once. */
export async function migrate(database: Database): Promise<void> {
  // As a batch: where processes share a database, batches are done one at a time.
  await database.batch([{ sql: 'create table if not exists migrations (id integer not null primary key)' }])
  const done = new Set((await database.query('select id from migrations')).map(row => Number(row.id)))
  for (const { id, statements: steps } of migrations) {
    if (done.has(id)) continue
    try {
      await database.batch([
        { sql: 'insert into migrations (id) values ($1)', values: [id] },
        ...steps.map(sql => ({ sql })),
      ])
    } catch (error) {
      const rows = await database.query('select id from migrations where id = $1', [id])
      if (rows.length === 0) throw error // not because another process was faster
    }
  }
}

export function createCatalog(database: Database, clock: Clock): Catalog {
  const touched = new Map<ObjectRow, { accessedAt: number; hits: number }>()
  const ask = ({ sql, values }: Statement, options?: Repeating) => database.query(sql, values, options)

  async function look(repository: string, key: string): Promise<ObjectRow | null> {
    const [row] = await ask(statements.findObject(repository, key))
    return row === undefined ? null : toObjectRow(row)
  }

  return {
    find: look,
    look,
    isAway: () => database.isAway?.() ?? false,
    isCurrent: () => false,
    async keep(row) {
      await database.batch(statements.keepObject(row), REPEATABLE)
    },
    async announce(sha256, size) {
      await database.batch(statements.keepBlob(sha256, size, clock.now(), clock.now()), REPEATABLE)
    },
    async refresh(row) {
      return (await ask(statements.refreshObject(row), REPEATABLE)).length > 0
    },
    async forget(row) {
      await database.batch(statements.forgetObject(row, clock.now()), REPEATABLE)
    },

    touch(row) {
      const entry = touched.get(row)
      if (entry === undefined) touched.set(row, { accessedAt: clock.now(), hits: 1 })
      else {
        entry.accessedAt = clock.now()
        entry.hits += 1
      }
    },
    async flushTouches() {
      const entries = [...touched]
      touched.clear()
      for (let i = 0; i < entries.length; i += TOUCH_BATCH) {
        const page = entries.slice(i, i + TOUCH_BATCH)
        await database.batch(
          statements.touchObjects(page.map(([{ repository, key }, use]) => ({ repository, key, ...use }))),
        )
      }
    },

    async list(repository, { after, prefix = '', limit }) {
      const rows = await ask(statements.listObjects(repository, after ?? null, prefix, limit))
      return rows.map(toListedObject)
    },
    async leastUsed(repository, limit) {
      const rows = await ask(
        repository === null ? statements.leastUsed(limit) : statements.leastUsedOf(repository, limit),
      )
      return rows.map(toObjectRow)
    },
    async objectsOfBlob(sha256) {
      return (await ask(statements.objectsOfBlob(sha256, 1000))).map(toObjectRow)
    },
    async usage() {
      const repositories = new Map<string, { bytes: number; objects: number }>()
      let all = { bytes: 0, objects: 0 }
      for (const row of await ask(statements.usage())) {
        const figures = { bytes: Number(row.bytes), objects: Number(row.objects) }
        if (row.repository === ALL_BLOBS) all = figures
        else repositories.set(String(row.repository), figures)
      }
      return { bytes: all.bytes, blobs: all.objects, repositories }
    },

    async condemned(before, limit) {
      const rows = await ask(statements.condemnedBlobs(before, limit))
      return rows.map(row => ({ ...toKnownBlob(row), condemnedAt: Math.abs(Number(row.condemned_at)) }))
    },
    async condemnedSum(before) {
      const [row] = await ask(statements.condemnedSum(before))
      return { blobs: Number(row?.blobs ?? 0), bytes: Number(row?.bytes ?? 0) }
    },
    async claim({ sha256, condemnedAt }) {
      const steps = [statements.absolveBlob(sha256), statements.claimBlob(sha256, condemnedAt)]
      return ((await database.batch(steps, REPEATABLE)).at(-1)?.length ?? 0) > 0
    },
    async drop({ sha256, condemnedAt }) {
      const results = await database.batch(statements.dropBlob(sha256, condemnedAt))
      return (results.at(-1)?.length ?? 0) > 0
    },
    async leastVerified(before, limit) {
      return (await ask(statements.leastVerified(before, limit))).map(toKnownBlob)
    },
    async blobsAfter(sha256, limit) {
      return (await ask(statements.blobsAfter(sha256, limit))).map(toKnownBlob)
    },
    async verified(sha256) {
      await ask(statements.verified(sha256, clock.now()), REPEATABLE)
    },

    async repositories() {
      const rows = await ask(statements.listRepositories())
      return rows.map(row => ({ name: String(row.name), settings: String(row.settings) }))
    },
    async putRepository(name, settings) {
      await ask(statements.putRepository(name, settings, clock.now()), REPEATABLE)
    },
    async dropRepository(name) {
      return (await ask(statements.dropRepository(name))).length > 0
    },
    async secret(name, create) {
      const found = await ask(statements.findSecret(name))
      if (found[0] !== undefined) return String(found[0].value)
      await ask(statements.putSecret(name, create()), REPEATABLE)
      const [row] = await ask(statements.findSecret(name))
      if (row === undefined)
        throw new Problem('database-broken', `Cannot keep secret ${name}: it was not written`)
      return String(row.value)
    },
  }
}

export function toKnownBlob(row: Row): KnownBlob {
  return { sha256: String(row.sha256), size: Number(row.size) }
}

export function toListedObject(row: Row): ListedObject {
  return { ...toObjectRow(row), accessedAt: Number(row.accessed_at), hits: Number(row.hits) }
}

export function toObjectRow(row: Row): ObjectRow {
  const text = (name: string) => (row[name] === null || row[name] === undefined ? null : String(row[name]))
  const number = (name: string) => (row[name] === null || row[name] === undefined ? null : Number(row[name]))
  return {
    repository: String(row.repository),
    key: String(row.key),
    path: String(row.path),
    fileName: String(row.file_name),
    pathClass: row.path_class === 'mutable' ? 'mutable' : 'immutable',
    sha256: String(row.sha256),
    size: Number(row.size),
    contentType: text('content_type'),
    contentEncoding: text('content_encoding'),
    etag: text('etag'),
    lastModified: text('last_modified'),
    storedAt: Number(row.stored_at),
    checkedAt: Number(row.checked_at),
    freshUntil: number('fresh_until'),
    publishedAt: number('published_at'),
    isPinned: Number(row.is_pinned) === 1,
  }
}
