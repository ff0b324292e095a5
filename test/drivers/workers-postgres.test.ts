// Postgres from inside workerd: the contract, over the sockets of the platform and through Hyperdrive (which miniflare
// stands in for with the server itself), and what a Worker adds to it: no request uses a connection of another one.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Miniflare } from 'miniflare'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { POSTGRES_NOW } from '../../src/drivers/postgres-dialect.ts'
import { hearProblem } from '../../src/model/frames.ts'
import type { Database, Row } from '../../src/ports/database.ts'
import { describeDatabase } from '../contracts/database.ts'
import { hasPostgres, type PostgresService, startPostgres } from '../services/postgres.ts'
import { startWorker } from '../workerd.ts'

const WORKER = 'test/workerd-postgres.mjs'

describe.skipIf(!hasPostgres())('Postgres on Workers', () => {
  let server: PostgresService
  let worker: Miniflare
  beforeAll(async () => {
    server = await startPostgres()
    worker = await startWorker(WORKER, { remotes: {}, env: server.environment({ DBSCHEMA: 'own' }) })
  })
  afterAll(async () => {
    await worker?.dispose()
    await server?.stop()
  })

  describeDatabase(
    'Postgres from a Worker',
    async () => {
      const env = server.environment({ DBSCHEMA: 'direct' })
      return open(await startWorker(WORKER, { remotes: {}, env }))
    },
    // What hands out pages cannot cross into the Worker.
    { isSnapshotWhole: true },
  )

  describeDatabase(
    'Postgres through Hyperdrive',
    async () => {
      const hyperdrive = `postgres://postgres:none@127.0.0.1:${server.port}/postgres`
      const env = { DBSCHEMA: 'pooled' }
      return open(await startWorker(WORKER, { remotes: {}, env, hyperdrive }))
    },
    { isSnapshotWhole: true },
  )

  it('keeps its tables in a schema of its own, on both ways', async () => {
    const schemas = await server.psql(
      `select distinct schemaname from pg_tables where tablename in ('objects', 'blobs') order by 1`,
    )
    expect(schemas.split('\n')).toEqual(['direct', 'pooled'])
  })

  it('makes one connection for a request, however much it asks at once, and gives it up after it', async () => {
    const calls = Array.from({ length: 20 }, () => ['query', 'select pg_backend_pid() as pid'])
    const rows = await call<Row[][]>(worker, 'many', '', calls)
    expect(new Set(rows.map(([row]) => row?.pid)).size).toBe(1)
    await untilNobody()
  })

  it('makes one for each of many requests at once, and gives them all up', async () => {
    const ask = () =>
      call<Row[]>(worker, 'one', 'query', ['select pg_backend_pid() as pid, pg_sleep(0.2)::text'])
    const pids = await Promise.all(Array.from({ length: 20 }, ask))
    expect(new Set(pids.map(([row]) => row?.pid)).size).toBe(20)
    await untilNobody()
  })

  it('answers calls outside of any request scope too, and leaves no connection behind', async () => {
    expect(await call(worker, 'stray', 'query', ['select 7 as n'])).toEqual([{ n: 7 }])
    await untilNobody()
  })

  it('keeps the connection of a Durable Object for its next request, and gives it up when none comes', async () => {
    const ask = () => call<Row[]>(worker, 'object', 'query', ['select pg_backend_pid() as pid'])
    const first = await ask()
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([first, first, first])
    expect(await connections()).toBe(1)
    await untilNobody()
    expect(await ask()).not.toEqual(first)
  })

  it('fails within seconds while the server is away, then at once, and works again when it is back', async () => {
    const ask = () => call<Row[]>(worker, 'one', 'query', ['select 1 as n'])
    await ask()
    await call(worker, 'logged', '', [])
    await server.crash()
    await expect(ask()).rejects.toMatchObject({ code: 'database-busy' })
    const began = performance.now()
    for (let i = 0; i < 5; i++) await expect(ask()).rejects.toMatchObject({ code: 'database-busy' })
    expect(performance.now() - began).toBeLessThan(1_000)
    await server.restart()
    for (let i = 0; i < 100 && !(await ask().catch(() => null)); i++) await sleep(50)
    expect(await ask()).toEqual([{ n: 1 }])
    const logged = await call<string[]>(worker, 'logged', '', [])
    const place = `Postgres 127.0.0.1:${server.port}/postgres`
    expect(logged[0]).toContain(`Cannot use ${place}`)
    expect(logged.at(-1)).toBe(`${place} is there`)
  })

  it('does without harm what is lost in the middle once more', async () => {
    await call(worker, 'one', 'batch', [[{ sql: 'create table if not exists t (n bigint not null)' }]])
    const slow = call<Row[]>(worker, 'one', 'query', ['select 5 as n, pg_sleep(0.5)::text as slept'])
    await sleep(250)
    await server.psql(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like '%slept%' and pid <> pg_backend_pid()`,
    )
    expect(await slow).toMatchObject([{ n: 5 }])
  })

  it('says what is wrong when the server does not let it in', async () => {
    const env = server.environment({ DBNAME: 'nowhere' })
    const other = await startWorker(WORKER, { remotes: {}, env })
    const failure = call(other, 'one', 'query', ['select 1'])
    await expect(failure).rejects.toMatchObject({
      code: 'database-broken',
      message: /there is no such database/,
    })
    await other.dispose()
  })

  it('says what is wrong when it has no TLS', async () => {
    const env = server.environment({ DBSSLMODE: 'require' })
    const other = await startWorker(WORKER, { remotes: {}, env })
    const failure = call(other, 'one', 'query', ['select 1'])
    await expect(failure).rejects.toMatchObject({ code: 'database-broken', message: /the server has no TLS/ })
    await other.dispose()
  })

  /** Ours, as the server sees them. */
  async function connections(): Promise<number> {
    return Number(
      await server.psql(`select count(*) from pg_stat_activity where application_name = 'artifactapi'`),
    )
  }

  async function untilNobody(): Promise<void> {
    for (let i = 0; i < 100 && (await connections()) > 0; i++) await sleep(50)
    expect(await connections()).toBe(0)
  }
})

function open(worker: Miniflare) {
  const database: Database = {
    nowSql: POSTGRES_NOW,
    query: (sql, values = []) => call(worker, 'one', 'query', [sql, values]),
    batch: statements => call(worker, 'one', 'batch', [statements]),
    async snapshot(statements, take) {
      const pages = await call<[Row[], number][]>(worker, 'pages', '', [statements])
      for (const [rows, index] of pages) await take(rows, index)
    },
    close: async () => {},
  }
  return { database, close: () => worker.dispose() }
}

async function call<Result>(
  worker: Miniflare,
  place: string,
  method: string,
  args: unknown[],
): Promise<Result> {
  const body = JSON.stringify(args)
  const answer = await worker.dispatchFetch(`http://worker/${place}/${method}`, { method: 'POST', body })
  const said = JSON.parse(await answer.text()) // the Worker of the test wrote it
  if ('problem' in said) throw hearProblem(said.problem)
  return said.result
}
