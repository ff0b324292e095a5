// The tables, in the dialect that Postgres, SQLite and D1 share. Append only: a migration that was released is
// never changed, and every one leaves the version before it able to work.

export interface Migration {
  readonly id: number
  readonly statements: readonly string[]
}

export const migrations: readonly Migration[] = [
  {
    id: 1,
    statements: [
      `create table objects (
        repository text not null,
        key text not null,
        path text not null,
        file_name text not null,
        path_class text not null,
        sha256 text not null,
        size bigint not null,
        content_type text,
        content_encoding text,
        etag text,
        last_modified text,
        stored_at bigint not null,
        checked_at bigint not null,
        fresh_until bigint,
        published_at bigint,
        is_pinned integer not null,
        accessed_at bigint not null,
        hits bigint not null,
        primary key (repository, key)
      )`,
      'create index objects_by_blob on objects (sha256)',
      'create index objects_by_use on objects (is_pinned, accessed_at)',
      'create index objects_by_repository_use on objects (repository, is_pinned, accessed_at)',
      `create table blobs (
        sha256 text not null primary key,
        size bigint not null,
        condemned_at bigint,
        verified_at bigint not null
      )`,
      'create index blobs_condemned on blobs (condemned_at) where condemned_at is not null',
      'create index blobs_by_verification on blobs (verified_at, sha256)',
      'create table usage (repository text not null primary key, bytes bigint not null, objects bigint not null)',
      `create table repositories (
        name text not null primary key,
        settings text not null,
        changed_at bigint not null
      )`,
      'create table secrets (name text not null primary key, value text not null)',
    ],
  },
  {
    id: 2,
    statements: [
      // Rows outlive their leases for a while, so that tokens go on growing. `holder` is one acquisition.
      `create table leases (
        name text not null primary key,
        token bigint not null,
        note text not null,
        expires_at bigint not null,
        holder text not null
      )`,
    ],
  },
]
