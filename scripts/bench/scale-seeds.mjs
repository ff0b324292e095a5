// Catalogs of any size, made by the database itself. Half of all objects are in one repository, the rest in nineteen;
// one in ten names the bytes of another one; one in a hundred was used again and again; one blob in fifty is condemned.

import { DatabaseSync } from 'node:sqlite'

/** Of the whole text, in both dialects; `n` is the number of the object. */
const repository = `case when n % 2 = 0 then 'large' else 'r' || (n % 19) end`
const columns = `repository, key, path, file_name, path_class, sha256, size, content_type, stored_at, checked_at, is_pinned,
  accessed_at, hits`
const now = 1_767_225_600_000

export async function seedPostgres(server, schema, from, to) {
  const key = keyOf(`md5('k' || n)`)
  const sha256 = `md5('a' || b) || md5('b' || b)`
  await server.psql(`
    set search_path = ${schema};
    insert into objects (${columns})
      select ${repository}, ${key}, ${key}, 'file.tgz', 'immutable', ${sha256}, 1000 + b % 9000, 'application/gzip',
        ${now} + n, ${now} + n, 0, ${now} + (n * 7919) % ${to * 10}, n % 50
      from (select n, case when n % 10 = 0 then n / 2 else n end as b from generate_series(cast(${from} as bigint), ${to - 1}) as n) as s;
    ${rest(from, to)}
    analyze;`)
}

export async function seedSqlite(path, from, to) {
  const database = new DatabaseSync(path)
  const key = keyOf(`printf('%08x', (n * 2654435761) % 4294967296)`)
  // Spread as digests are.
  const sha256 = `printf('%08x%056x', (b * 2654435761) % 4294967296, b)`
  database.exec(`
    pragma cache_size = -64000;
    begin;
    insert into objects (${columns})
      with recursive s (n) as (select ${from} union all select n + 1 from s where n < ${to - 1}),
        t as (select n, case when n % 10 = 0 then n / 2 else n end as b from s)
      select ${repository}, ${key}, ${key}, 'file.tgz', 'immutable', ${sha256}, 1000 + b % 9000, 'application/gzip',
        ${now} + n, ${now} + n, 0, ${now} + (n * 7919) % ${to * 10}, n % 50
      from t;
    ${rest(from, to)}
    commit;
    analyze;`)
  database.close()
}

function keyOf(hash) {
  return `'packages/' || substr(${hash}, 1, 2) || '/' || ${hash} || '-' || n || '.tgz'`
}

/** Blobs, and some that no object names; the books on sizes. */
function rest(from, to) {
  return `
    insert into blobs (sha256, size, condemned_at, verified_at)
      select sha256, min(size), null, min(stored_at) from objects where stored_at >= ${now} + ${from}
      group by sha256 on conflict (sha256) do nothing;
    insert into blobs (sha256, size, condemned_at, verified_at)
      select 'f' || substr(sha256, 2, 62) || '!', size, verified_at, verified_at from blobs
      where verified_at >= ${now} + ${from} and verified_at % 50 = 0 and condemned_at is null
      on conflict (sha256) do nothing;
    delete from usage;
    insert into usage (repository, bytes, objects)
      select repository, sum(size), count(*) from objects group by repository
      union all select '', sum(size), count(*) from blobs;
    delete from repositories;
    insert into repositories (name, settings, changed_at)
      select distinct repository, '{"base_url":"https://origin.example"}', ${now + to} from usage where repository <> '';`
}
