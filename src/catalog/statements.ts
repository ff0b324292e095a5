// All SQL of the catalog, by name. Nobody else sees SQL text.

import type { ObjectRow } from '../model/object.ts'
import type { Statement } from '../ports/database.ts'

/** `usage` rows: one per repository, and one with this name for all distinct blobs. */
export const ALL_BLOBS = ''

export interface ObjectUse {
  readonly repository: string
  readonly key: string
  readonly accessedAt: number
  readonly hits: number
}

const TOUCH_ROWS = 25

/** Of an object, without its use. */
export const COLUMNS = `repository, key, path, file_name, path_class, sha256, size, content_type, content_encoding, etag,
  last_modified, stored_at, checked_at, fresh_until, published_at, is_pinned`

export const statements = {
  findObject: (repository: string, key: string): Statement => ({
    sql: `select ${COLUMNS} from objects where repository = $1 and key = $2`,
    values: [repository, key],
  }),

  /** Everything that keeping an object changes, in the order it must happen. */
  keepObject: (row: ObjectRow): Statement[] => [
    {
      sql: 'insert into usage (repository, bytes, objects) values ($1, 0, 0) on conflict (repository) do nothing',
      values: [row.repository],
    },
    {
      sql: `update usage set
          bytes = bytes + $2 - coalesce((select size from objects where repository = $1 and key = $3), 0),
          objects = objects + 1 - (select cast(count(*) as integer) from objects where repository = $1 and key = $3)
        where repository = $1`,
      values: [row.repository, row.size, row.key],
    },
    ...statements.keepBlob(row.sha256, row.size, row.storedAt, null),
    {
      sql: `update blobs set condemned_at = $4
        where sha256 = (select sha256 from objects where repository = $1 and key = $2) and sha256 <> $3
          and not exists (select 1 from objects o where o.sha256 = blobs.sha256 and not (o.repository = $1 and o.key = $2))`,
      values: [row.repository, row.key, row.sha256, row.storedAt],
    },
    {
      sql: `insert into objects (${COLUMNS}, accessed_at, hits)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $12, 0)
        on conflict (repository, key) do update set path = excluded.path, file_name = excluded.file_name,
          path_class = excluded.path_class, sha256 = excluded.sha256, size = excluded.size,
          content_type = excluded.content_type, content_encoding = excluded.content_encoding, etag = excluded.etag,
          last_modified = excluded.last_modified, stored_at = excluded.stored_at, checked_at = excluded.checked_at,
          fresh_until = excluded.fresh_until, published_at = excluded.published_at, is_pinned = excluded.is_pinned,
          accessed_at = excluded.accessed_at`,
      values: [
        row.repository,
        row.key,
        row.path,
        row.fileName,
        row.pathClass,
        row.sha256,
        row.size,
        row.contentType,
        row.contentEncoding,
        row.etag,
        row.lastModified,
        row.storedAt,
        row.checkedAt,
        row.freshUntil,
        row.publishedAt,
        row.isPinned ? 1 : 0,
      ],
    },
  ],

  /**
   * A blob with `condemnedAt` set is only announced: the collector takes it when no object follows. One that is
   * condemned already gets a new term. Its bytes were hashed just now, so they count as verified `at`.
   */
  keepBlob: (sha256: string, size: number, at: number, condemnedAt: number | null): Statement[] => [
    {
      sql: "insert into usage (repository, bytes, objects) values ('', 0, 0) on conflict (repository) do nothing",
    },
    {
      sql: `update usage set bytes = bytes + $2, objects = objects + 1
        where repository = '' and not exists (select 1 from blobs where sha256 = $1)`,
      values: [sha256, size],
    },
    {
      sql: `insert into blobs (sha256, size, condemned_at, verified_at) values ($1, $2, $3, $4)
        on conflict (sha256) do update set condemned_at = ${
          condemnedAt === null
            ? 'null'
            : 'case when blobs.condemned_at is null then null else excluded.condemned_at end'
        }`,
      values: [sha256, size, condemnedAt, at],
    },
  ],

  refreshObject: (row: ObjectRow): Statement => ({
    sql: `update objects set checked_at = $3, fresh_until = $4, etag = $6, last_modified = $7, path_class = $8
      where repository = $1 and key = $2 and sha256 = $5 returning key`,
    values: [
      row.repository,
      row.key,
      row.checkedAt,
      row.freshUntil,
      row.sha256,
      row.etag,
      row.lastModified,
      row.pathClass,
    ],
  }),

  forgetObject: (row: ObjectRow, now: number): Statement[] => [
    {
      sql: `update usage set bytes = bytes - $4, objects = objects - 1
        where repository = $1 and exists (select 1 from objects where repository = $1 and key = $2 and sha256 = $3)`,
      values: [row.repository, row.key, row.sha256, row.size],
    },
    {
      sql: 'delete from objects where repository = $1 and key = $2 and sha256 = $3',
      values: [row.repository, row.key, row.sha256],
    },
    {
      sql: `update blobs set condemned_at = $2
        where sha256 = $1 and condemned_at is null and not exists (select 1 from objects where sha256 = $1)`,
      values: [row.sha256, now],
    },
  ],

  /** Many in one statement, within the 100 parameters that D1 allows. The later use wins, whoever writes it down first. */
  touchObjects: (uses: readonly ObjectUse[]): Statement[] => {
    const pages = Array.from({ length: Math.ceil(uses.length / TOUCH_ROWS) }, (_, page) =>
      uses.slice(page * TOUCH_ROWS, (page + 1) * TOUCH_ROWS),
    )
    return pages.map(page => ({
      sql: `update objects set hits = hits + used.column4,
          accessed_at = case when accessed_at < used.column3 then used.column3 else accessed_at end
        from (values ${page.map((_, i) => touchedRow(i * 4)).join(', ')}) as used
        where objects.repository = used.column1 and objects.key = used.column2`,
      values: page.flatMap(({ repository, key, accessedAt, hits }) => [repository, key, accessedAt, hits]),
    }))
  },

  /**
   * `after` null: from the first key on, which may be empty (the listing at the root of an origin). One lower bound, where
   * there need not be two: SQLite begins at the first one it reads.
   */
  listObjects: (repository: string, after: string | null, prefix: string, limit: number): Statement => ({
    sql: `select ${COLUMNS}, accessed_at, hits from objects
      where repository = $1 and key < $3 and ${lowerBound(after, prefix)} order by key limit $4`,
    values: [
      repository,
      after ?? prefix,
      endOfPrefix(prefix),
      limit,
      ...(after === null || after.startsWith(prefix) ? [] : [prefix]),
    ],
  }),

  leastUsed: (limit: number): Statement => ({
    sql: `select ${COLUMNS} from objects where is_pinned = 0 order by accessed_at limit $1`,
    values: [limit],
  }),

  leastUsedOf: (repository: string, limit: number): Statement => ({
    sql: `select ${COLUMNS} from objects where repository = $1 and is_pinned = 0 order by accessed_at limit $2`,
    values: [repository, limit],
  }),

  objectsOfBlob: (sha256: string, limit: number): Statement => ({
    sql: `select ${COLUMNS} from objects where sha256 = $1 limit $2`,
    values: [sha256, limit],
  }),

  usage: (): Statement => ({ sql: 'select repository, bytes, objects from usage order by repository' }),

  condemnedBlobs: (before: number, limit: number): Statement => ({
    sql: 'select sha256, size, condemned_at from blobs where condemned_at <= $1 order by condemned_at limit $2',
    values: [before, limit],
  }),

  /** A condemnation that lost a race against an object is void. */
  absolveBlob: (sha256: string): Statement => ({
    sql: `update blobs set condemned_at = null
      where sha256 = $1 and condemned_at is not null and exists (select 1 from objects where sha256 = $1)`,
    values: [sha256],
  }),

  /** A negative time marks a blob whose bytes are being removed. Tells whether it is marked now. */
  claimBlob: (sha256: string, condemnedAt: number): Statement => ({
    sql: `update blobs set condemned_at = $3 where sha256 = $1 and condemned_at in ($2, $3)
      and not exists (select 1 from objects where sha256 = $1) returning sha256`,
    values: [sha256, condemnedAt, -condemnedAt],
  }),

  /** Forgets a marked blob, unless it was announced again meanwhile. */
  dropBlob: (sha256: string, condemnedAt: number): Statement[] => [
    {
      sql: `update usage set
          bytes = bytes - coalesce((select size from blobs where sha256 = $1 and condemned_at = $2), 0),
          objects = objects - (select cast(count(*) as integer) from blobs where sha256 = $1 and condemned_at = $2)
        where repository = ''`,
      values: [sha256, -condemnedAt],
    },
    {
      sql: 'delete from blobs where sha256 = $1 and condemned_at = $2 returning sha256',
      values: [sha256, -condemnedAt],
    },
  ],

  condemnedSum: (before: number): Statement => ({
    sql: `select cast(count(*) as bigint) as blobs, cast(coalesce(sum(size), 0) as bigint) as bytes
      from blobs where condemned_at <= $1`,
    values: [before],
  }),

  blobsAfter: (sha256: string, limit: number): Statement => ({
    sql: 'select sha256, size from blobs where condemned_at is null and sha256 > $1 order by sha256 limit $2',
    values: [sha256, limit],
  }),

  leastVerified: (before: number, limit: number): Statement => ({
    sql: 'select sha256, size from blobs where condemned_at is null and verified_at < $1 order by verified_at, sha256 limit $2',
    values: [before, limit],
  }),

  verified: (sha256: string, at: number): Statement => ({
    sql: 'update blobs set verified_at = $2 where sha256 = $1',
    values: [sha256, at],
  }),

  listRepositories: (): Statement => ({
    sql: 'select name, settings, changed_at from repositories order by name',
  }),

  putRepository: (name: string, settings: string, at: number): Statement => ({
    sql: `insert into repositories (name, settings, changed_at) values ($1, $2, $3)
      on conflict (name) do update set settings = excluded.settings, changed_at = excluded.changed_at`,
    values: [name, settings, at],
  }),

  dropRepository: (name: string): Statement => ({
    sql: 'delete from repositories where name = $1 returning name',
    values: [name],
  }),

  findSecret: (name: string): Statement => ({
    sql: 'select value from secrets where name = $1',
    values: [name],
  }),

  /** The first writer wins. */
  putSecret: (name: string, value: string): Statement => ({
    sql: 'insert into secrets (name, value) values ($1, $2) on conflict (name) do nothing',
    values: [name, value],
  }),
}

function lowerBound(after: string | null, prefix: string): string {
  if (after === null) return 'key >= $2'
  return after.startsWith(prefix) ? 'key > $2' : 'key > $2 and key >= $5'
}

/** The least text that is greater than all texts beginning with `prefix`. */
function endOfPrefix(prefix: string): string {
  return `${prefix}\u{10ffff}`
}

/** A row of values whose types are known without a table. */
function touchedRow(before: number): string {
  const types = ['text', 'text', 'bigint', 'bigint']
  return `(${types.map((type, i) => `cast($${before + i + 1} as ${type})`).join(', ')})`
}
