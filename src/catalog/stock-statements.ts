// The SQL of those who move all of the catalog: read in one order, written into another catalog that may be in use.

import type { ObjectRow } from '../model/object.ts'
import type { Statement } from '../ports/database.ts'
import { COLUMNS, statements } from './statements.ts'

const ALL_COLUMNS = `${COLUMNS}, accessed_at, hits`

interface UsedRow extends ObjectRow {
  readonly accessedAt: number
  readonly hits: number
}

export const stockStatements = {
  objectsAfter: (repository: string, key: string, limit: number): Statement => ({
    sql: `select ${ALL_COLUMNS} from objects where (repository, key) > ($1, $2) order by repository, key limit $3`,
    values: [repository, key, limit],
  }),

  findObject: (repository: string, key: string): Statement => ({
    sql: `select ${ALL_COLUMNS} from objects where repository = $1 and key = $2`,
    values: [repository, key],
  }),

  /** Those that name the same blob follow each other. */
  objectsByBlob: (isPinnedOnly: boolean): Statement => ({
    sql: `select ${ALL_COLUMNS} from objects ${isPinnedOnly ? 'where is_pinned = 1' : ''} order by sha256, repository, key`,
  }),

  heldBlob: (sha256: string, size: number): Statement => ({
    sql: 'select sha256 from blobs where sha256 = $1 and size = $2 and condemned_at is null',
    values: [sha256, size],
  }),

  /**
   * Keeps a row with its use, unless a later one is there, and tells in the statement before the last whether it did.
   * Everything asks for the later one first, as the row may change between reading and writing it.
   */
  placeObject: (row: UsedRow, at: number): Statement[] => [
    {
      sql: 'insert into usage (repository, bytes, objects) values ($1, 0, 0) on conflict (repository) do nothing',
      values: [row.repository],
    },
    {
      sql: `update usage set
          bytes = bytes + $2 - coalesce((select size from objects where repository = $1 and key = $3), 0),
          objects = objects + 1 - (select cast(count(*) as integer) from objects where repository = $1 and key = $3)
        where repository = $1
          and not exists (select 1 from objects where repository = $1 and key = $3 and checked_at > $4)`,
      values: [row.repository, row.size, row.key, row.checkedAt],
    },
    // Announced, until an object names it.
    ...statements.keepBlob(row.sha256, row.size, at, at),
    {
      sql: `update blobs set condemned_at = $4
        where sha256 = (select sha256 from objects where repository = $1 and key = $2 and checked_at <= $5)
          and sha256 <> $3 and condemned_at is null
          and not exists (select 1 from objects o where o.sha256 = blobs.sha256 and not (o.repository = $1 and o.key = $2))`,
      values: [row.repository, row.key, row.sha256, at, row.checkedAt],
    },
    {
      sql: `insert into objects (${ALL_COLUMNS})
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
        on conflict (repository, key) do update set path = excluded.path, file_name = excluded.file_name,
          path_class = excluded.path_class, sha256 = excluded.sha256, size = excluded.size,
          content_type = excluded.content_type, content_encoding = excluded.content_encoding, etag = excluded.etag,
          last_modified = excluded.last_modified, stored_at = excluded.stored_at, checked_at = excluded.checked_at,
          fresh_until = excluded.fresh_until, published_at = excluded.published_at, is_pinned = excluded.is_pinned,
          accessed_at = case when objects.accessed_at > excluded.accessed_at then objects.accessed_at else excluded.accessed_at end,
          hits = case when objects.hits > excluded.hits then objects.hits else excluded.hits end
        where objects.checked_at <= excluded.checked_at
        returning key`,
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
        row.accessedAt,
        row.hits,
      ],
    },
    statements.absolveBlob(row.sha256),
  ],

  /** Uses only grow. */
  placeUse: ({ repository, key, accessedAt, hits }: UsedRow): Statement => ({
    sql: `update objects set
        accessed_at = case when accessed_at > $3 then accessed_at else $3 end,
        hits = case when hits > $4 then hits else $4 end
      where repository = $1 and key = $2`,
    values: [repository, key, accessedAt, hits],
  }),

  placeRepository: (name: string, settings: string, changedAt: number): Statement => ({
    sql: `insert into repositories (name, settings, changed_at) values ($1, $2, $3)
      on conflict (name) do update set settings = excluded.settings, changed_at = excluded.changed_at
        where repositories.changed_at < excluded.changed_at
      returning name`,
    values: [name, settings, changedAt],
  }),

  listSecrets: (): Statement => ({ sql: 'select name, value from secrets order by name' }),

  placeSecret: (name: string, value: string): Statement => ({
    sql: 'insert into secrets (name, value) values ($1, $2) on conflict (name) do nothing returning name',
    values: [name, value],
  }),

  dropSecret: (name: string): Statement => ({ sql: 'delete from secrets where name = $1', values: [name] }),

  /** One row when there is anything. */
  anything: (): Statement => ({
    sql: `select 'objects' as kind where exists (select 1 from objects)
      union all select 'repositories' as kind where exists (select 1 from repositories)
      limit 1`,
  }),
}
