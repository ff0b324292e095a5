// The SQL of those who check all of the catalog against itself, a page at a time.

import type { Statement } from '../ports/database.ts'
import { statements } from './statements.ts'

/** What the figures should be, as rows of `usage`. */
const COUNTED = `select repository, sum(size) as bytes, count(*) as objects from objects group by repository
  union all select '' as repository, sum(size) as bytes, count(*) as objects from blobs having count(*) > 0`

export const auditStatements = {
  /** Rows beside what is known of their blobs. */
  bookedObjects: (repository: string, key: string, limit: number): Statement => ({
    sql: `select o.repository, o.key, o.sha256, o.size, b.size as blob_size, b.condemned_at
      from (select repository, key, sha256, size from objects where (repository, key) > ($1, $2)
        order by repository, key limit $3) as o
      left join blobs b on b.sha256 = o.sha256 order by o.repository, o.key`,
    values: [repository, key, limit],
  }),

  /** Books a blob that an object names; nothing where none does any more. */
  bookBlob: (sha256: string, size: number, at: number): Statement[] => [
    ...statements.keepBlob(sha256, size, at, at),
    statements.absolveBlob(sha256),
  ],

  resizeBlob: (sha256: string, size: number): Statement[] => [
    { sql: 'update blobs set size = $2 where sha256 = $1', values: [sha256, size] },
    { sql: 'update objects set size = $2 where sha256 = $1', values: [sha256, size] },
  ],

  /** Blobs that are not condemned, and whether an object names them. */
  namedBlobs: (after: string, limit: number): Statement => ({
    sql: `select sha256, size, case when exists (select 1 from objects o where o.sha256 = blobs.sha256) then 1 else 0 end as is_named
      from blobs where condemned_at is null and sha256 > $1 order by sha256 limit $2`,
    values: [after, limit],
  }),

  condemnBlob: (sha256: string, at: number): Statement => ({
    sql: `update blobs set condemned_at = $2 where sha256 = $1 and condemned_at is null
      and not exists (select 1 from objects where sha256 = $1)`,
    values: [sha256, at],
  }),

  /** At most 100, which is what D1 allows. */
  knownBlobs: (digests: readonly string[]): Statement => ({
    sql: `select sha256 from blobs where sha256 in (${digests.map((_, i) => `$${i + 1}`).join(', ')})`,
    values: digests,
  }),

  /** By how much the figures are too high. In one statement, so that they are of one moment. */
  wrongUsage: (): Statement => ({
    sql: `select repository, cast(sum(bytes) as bigint) as bytes, cast(sum(objects) as bigint) as objects
      from (select repository, bytes, objects from usage
        union all select repository, -bytes, -objects from (${COUNTED}) as counted) as both_sides
      group by repository having sum(bytes) <> 0 or sum(objects) <> 0 order by repository`,
  }),

  /** The first one keeps all others from changing the figures until the end. */
  recount: (): Statement[] => [
    { sql: 'update usage set objects = objects' },
    {
      sql: `update usage set bytes = 0, objects = 0
        where repository not in (select repository from (${COUNTED}) as counted)`,
    },
    {
      sql: `insert into usage (repository, bytes, objects)
        select repository, cast(bytes as bigint), cast(objects as bigint) from (${COUNTED}) as counted where true
        on conflict (repository) do update set bytes = excluded.bytes, objects = excluded.objects`,
    },
  ],
}
