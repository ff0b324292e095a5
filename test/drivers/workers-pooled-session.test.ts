// A session behind a pooler, which forgets after each transaction whatever it was told, as Hyperdrive does.

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { connectPostgres } from '../../runtimes/shared/postgres-connection.ts'
import { openPooledSession } from '../../runtimes/workers/pooled-session.ts'
import type { PostgresConnection } from '../../src/drivers/postgres-connection.ts'
import { hasPostgres, type PostgresService, startPostgres } from '../services/postgres.ts'

describe.skipIf(!hasPostgres())('a session behind a pooler', () => {
  let server: PostgresService
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.stop())

  async function open() {
    const options = server.options()
    const connection = await connectPostgres(options, {})
    onTestFinished(() => connection.end())
    return {
      schema: options.schema,
      connection,
      session: await openPooledSession(forgetful(connection), options),
    }
  }

  it('makes its schema, and finds its tables there in every transaction', async () => {
    const { schema, session } = await open()
    await session.run('create table t (n bigint not null)')
    await session.run('begin isolation level read committed')
    await Promise.all([
      session.run('insert into t values ($1)', [1]),
      session.run('insert into t values (2)'),
    ])
    await session.run('commit')
    expect(await session.run('select n from t where n > $1 order by n', [0])).toEqual([{ n: 1 }, { n: 2 }])
    expect(await server.psql(`select schemaname from pg_tables where tablename = 't'`)).toBe(schema)
  })

  it('tells every statement how long it may take, and leaves nothing told behind', async () => {
    const { schema, connection, session } = await open()
    const asked = `select current_setting('search_path') as path, current_setting('statement_timeout') as limit_ms`
    expect(await session.run(asked)).toEqual([{ path: `"${schema}"`, limit_ms: '4s' }])
    expect(await connection.run(asked)).toEqual([{ path: '"$user", public', limit_ms: '0' }])
  })

  it('undoes what fails, alone and in a transaction, and goes on', async () => {
    const { session } = await open()
    await session.run('create table t (n bigint primary key)')
    await session.run('insert into t values (1)')
    await expect(session.run('insert into t values (1)')).rejects.toMatchObject({ code: '23505' })
    await session.run('begin')
    await session.run('insert into t values (2)')
    await expect(session.run('insert into t values (1)')).rejects.toMatchObject({ code: '23505' })
    await session.run('rollback')
    expect(await session.run('select n from t')).toEqual([{ n: 1 }])
  })

  it('refuses a database that cannot hold every text', async () => {
    await server.psql(`create database narrow template template0 encoding 'LATIN1' locale 'C'`)
    const options = server.options({ database: 'narrow' })
    const opening = openPooledSession(await connectPostgres(options, {}), options)
    await expect(opening).rejects.toMatchObject({ code: 'database-broken', message: /LATIN1/ })
  })
})

/** All that a session was told is gone when a transaction ends, and so are its plans. */
function forgetful(connection: PostgresConnection): PostgresConnection {
  return {
    ...connection,
    async run(sql, values, isKept) {
      const rows = connection.run(sql, values, isKept)
      if (!/^(commit|rollback)/.test(sql)) return rows
      const forgotten = connection.run('discard all')
      await rows
      await forgotten
      return rows
    },
  }
}
