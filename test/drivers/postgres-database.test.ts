import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { connectPostgres } from '../../runtimes/shared/postgres-connection.ts'
import type { ConnectPostgres, PostgresOptions } from '../../src/drivers/postgres-connection.ts'
import type { Row } from '../../src/ports/database.ts'
import { describeDatabase } from '../contracts/database.ts'
import { freePort } from '../servers.ts'
import { hasPostgres, openPostgres, type PostgresService, startPostgres } from '../services/postgres.ts'
import { createAuthority } from '../throwaway-certificates.ts'

describe.skipIf(!hasPostgres())('Postgres', () => {
  const authority = createAuthority()
  let server: PostgresService
  let folder: string

  beforeAll(async () => {
    folder = mkdtempSync('/tmp/artifactapi-postgres-files-')
    chmodSync(folder, 0o755)
    const file = (name: string, text: string, mode = 0o644) => {
      writeFileSync(join(folder, name), text, { mode })
      // The server takes only a key that is its own.
      if (process.getuid?.() === 0) execFileSync('chown', ['postgres', join(folder, name)])
      return `'${join(folder, name)}'`
    }
    const { key, cert } = authority.issue('localhost')
    server = await startPostgres([
      `hba_file = ${file('hba.conf', HBA)}`,
      'ssl = on',
      `ssl_cert_file = ${file('server.crt', cert)}`,
      `ssl_key_file = ${file('server.key', key, 0o600)}`,
    ])
    await server.psql(`create role guest login password 'open sesame'`)
  })
  afterAll(async () => {
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  function open(
    more?: Partial<PostgresOptions>,
    how?: { readonly patienceMs?: number; readonly connect?: ConnectPostgres },
  ) {
    const opened = openPostgres(server.options(more), how)
    onTestFinished(() => opened.close())
    return opened
  }

  async function withTable(more?: Partial<PostgresOptions>, how?: { readonly connect?: ConnectPostgres }) {
    const opened = open(more, how)
    await opened.database.batch([
      { sql: 'create table t (k text not null primary key, n bigint not null check (n >= 0))' },
      { sql: `insert into t values ('a', 0)` },
    ])
    return opened
  }

  describeDatabase('Postgres', async () => {
    const opened = openPostgres(server.options())
    return { database: opened.database, close: () => opened.close() }
  })

  describe('connecting', () => {
    it('makes the schema when it is absent, also when ten do at once', async () => {
      const options = { schema: 'made at "once"' }
      const all = Array.from({ length: 10 }, () => open(options).database)
      await Promise.all(all.map(database => database.query('select 1 as n')))
      const [row] = await all[0]!.query('select current_schema() as name')
      expect(row).toEqual({ name: options.schema })
    })

    it('says where and why a password is refused, at once and without the password', async () => {
      const { database } = open({ user: 'guest', password: 'wrong horse' })
      const began = performance.now()
      const error = await database.query('select 1').catch(error => error)
      expect(error).toMatchObject({ code: 'database-broken' })
      expect(error.message).toContain(`127.0.0.1:${server.port}/postgres`)
      expect(error.message).toMatch(
        /does not let user guest in\. Look at DBUSER and DBPASS.*password authentication failed/,
      )
      expect(error.message).not.toContain('wrong horse')
      expect(performance.now() - began).toBeLessThan(2000)
    })

    it('works with the right password, and says so when none was given', async () => {
      await server.psql('create schema guests authorization guest')
      const right = open({ user: 'guest', password: 'open sesame', schema: 'guests' })
      expect(await right.database.query('select 1 as n')).toEqual([{ n: 1 }])
      await expect(open({ user: 'guest' }).database.query('select 1')).rejects.toMatchObject({
        code: 'database-broken',
        message: expect.stringContaining('DBPASS'),
      })
    })

    it('says what a user may not do that cannot make the schema', async () => {
      const { database } = open({ user: 'guest', password: 'open sesame', schema: 'not_there' })
      await expect(database.query('select 1')).rejects.toMatchObject({
        message: expect.stringContaining('create in schema not_there'),
      })
    })

    it('says that there is no such database', async () => {
      await expect(open({ database: 'nowhere' }).database.query('select 1')).rejects.toMatchObject({
        code: 'database-broken',
        message: expect.stringMatching(/nowhere: there is no such database/),
      })
    })

    it('refuses a database that cannot hold every text', async () => {
      await server.psql(`create database latin encoding latin1 locale 'C' template template0`)
      await expect(open({ database: 'latin' }).database.query('select 1')).rejects.toMatchObject({
        message: expect.stringContaining('its encoding is LATIN1'),
      })
    })

    it('works over a Unix socket', async () => {
      expect(await open({ host: server.directory }).database.query('select 1 as n')).toEqual([{ n: 1 }])
    })

    it('waits for a server that is not there yet, says so, and works when it comes', async () => {
      const late = await startPostgres()
      onTestFinished(() => late.stop())
      await late.crash()
      const opened = openPostgres(late.options())
      onTestFinished(() => opened.close())
      const asked = opened.database.query('select 1 as n')
      await sleep(700)
      const told = opened.logged.filter(line => !line.startsWith('debug'))
      expect(told).toEqual([expect.stringMatching(/^info Waiting for Postgres .*ECONNREFUSED/)])
      await late.restart()
      expect(await asked).toEqual([{ n: 1 }])
      expect(opened.logged).toContainEqual(
        expect.stringMatching(/^info Postgres .* is there, after \d\.\d s$/),
      )
    })

    it('fails with one message when the server does not come', async () => {
      const { database } = open({ port: await freePort() }, { patienceMs: 800 })
      const began = performance.now()
      await expect(database.query('select 1')).rejects.toMatchObject({
        code: 'database-busy',
        message: expect.stringMatching(/^Cannot use Postgres 127\.0\.0\.1:\d+\/postgres: .*ECONNREFUSED/),
      })
      expect(performance.now() - began).toBeLessThan(1500)
    })

    it('holds no more connections than it may, and none once it is closed', async () => {
      const opened = open({ connections: 3 })
      await opened.broadcast.close()
      const since = await server.psql('select clock_timestamp()')
      const count = () =>
        server.psql(
          `select count(*) from pg_stat_activity where application_name = 'artifactapi' and backend_start > '${since}'`,
        )
      const asked = Promise.all(
        Array.from({ length: 50 }, (_, i) => opened.database.query(`select pg_sleep(0.02), ${i} as n`)),
      )
      await sleep(150)
      expect(Number(await count())).toBeLessThanOrEqual(3)
      await asked
      await opened.close()
      await opened.close()
      await sleep(100)
      expect(await count()).toBe('0')
      await expect(opened.database.query('select 1')).rejects.toMatchObject({ code: 'database-broken' })
    })
  })

  describe('over TLS', () => {
    const { ca } = authority

    it.each([
      ['whoever answers', { tls: 'require' } as const],
      ['with its authority and name checked', { tls: 'verify-full', ca, host: 'localhost' } as const],
    ])('works, %s', async (_, more) => {
      const { database } = open(more)
      const sql = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'
      expect(await database.query(sql)).toEqual([{ ssl: 1 }])
    })

    it.each([
      ['an authority that nobody trusts', { tls: 'verify-full', host: 'localhost' } as const],
      ['a certificate of another name', { tls: 'verify-full', ca } as const],
    ])('refuses %s, and says what to look at', async (_, more) => {
      await expect(open(more).database.query('select 1')).rejects.toMatchObject({
        code: 'database-broken',
        message: expect.stringContaining('Look at DBSSLMODE and DBCAFILE'),
      })
    })

    it('refuses a server that speaks no TLS', async () => {
      const plain = await startPostgres()
      onTestFinished(() => plain.stop())
      const opened = openPostgres(plain.options({ tls: 'require' }), { patienceMs: 500 })
      onTestFinished(() => opened.close())
      await expect(opened.database.query('select 1')).rejects.toMatchObject({ name: 'Problem' })
    })
  })

  describe('values', () => {
    it('beyond 2^53 fail rather than being rounded, and the connection works on', async () => {
      const { database } = open({ connections: 1 })
      const failed = database.query('select cast(9007199254740993 as bigint) as n')
      await expect(failed).rejects.toMatchObject({
        code: 'database-broken',
        message: expect.stringContaining('2^53'),
      })
      expect(await database.query('select 1 as n')).toEqual([{ n: 1 }])
    })

    it('are numbers also where Postgres has other types for them', async () => {
      expect(
        await open().database.query(
          'select count(*) as count, sum(n) as sum, max(n) > 1 as truth from (values (1), (2)) as v (n)',
        ),
      ).toEqual([{ count: 2, sum: 3, truth: 1 }])
    })
  })

  describe('what is lost', () => {
    it('is not noticed when the server ends connections under load', async () => {
      const { database } = await withTable({ connections: 5 })
      const sql = 'update t set n = n + 1 where k = $1'
      let isOver = false
      let longest = 0
      let calls = 0
      const caller = async (i: number) => {
        while (!isOver) {
          const began = performance.now()
          if (i % 2 === 0) await database.query('select n from t where k = $1', ['a'])
          else await database.batch([{ sql, values: ['a'] }], { isRepeatable: true })
          longest = Math.max(longest, performance.now() - began)
          calls++
        }
      }
      const callers = Array.from({ length: 20 }, (_, i) => caller(i))
      for (let round = 0; round < 8; round++) {
        await sleep(250)
        await server.psql(
          `select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'artifactapi'`,
        )
      }
      isOver = true
      await Promise.all(callers)
      expect(calls).toBeGreaterThan(500)
      // The start-up of a connection that never ends, as the client library had it, would take three seconds.
      expect(longest).toBeLessThan(2000)
    })

    it.each([
      ['a statement that may be repeated', true, [{ n: 2 }]],
      ['a statement that may not', false, [{ n: 1 }]],
    ])('with its answer: %s', async (_, isRepeatable, after) => {
      const { database } = await withTable({}, { connect: losing(/^update/, 'once') })
      const asked = database.query(`update t set n = n + 1 where k = 'a' returning n`, [], { isRepeatable })
      if (isRepeatable) expect(await asked).toEqual(after)
      else await expect(asked).rejects.toMatchObject({ code: 'database-busy' })
      expect(await database.query('select n from t')).toEqual(after)
    })

    it.each([
      ['may be repeated', true, [{ n: 2 }]],
      ['may not', false, [{ n: 1 }]],
    ])('with its answer: a batch that %s', async (_, isRepeatable, after) => {
      const { database } = await withTable({}, { connect: losing(/^commit/, 'once', 1) })
      const asked = database.batch([{ sql: `update t set n = n + 1 where k = 'a'` }], { isRepeatable })
      if (isRepeatable) await asked
      else await expect(asked).rejects.toMatchObject({ code: 'database-busy' })
      expect(await database.query('select n from t')).toEqual(after)
    })

    it('before the end of a batch: nothing of it is done', async () => {
      const { database } = await withTable({}, { connect: losing(/^update t set n = 7/, 'always') })
      const asked = database.batch([
        { sql: 'update t set n = 5' },
        { sql: 'update t set n = 7' },
        { sql: `insert into t values ('b', 1)` },
      ])
      await expect(asked).rejects.toMatchObject({ code: 'database-busy' })
      expect(await database.query('select k, n from t')).toEqual([{ k: 'a', n: 0 }])
    })

    it('holds up nobody for longer than moments: a process that vanished in the middle of a batch', async () => {
      const options = { schema: 'vanishing' }
      const { database } = await withTable(options)
      const vanished = open(options, { connect: withRun(() => new Promise(() => {}), /^update/) }).database
      void vanished.batch([{ sql: 'update t set n = 1' }]).catch(() => {})
      await sleep(300)
      const began = performance.now()
      await database.batch([{ sql: 'update t set n = 2' }])
      expect(performance.now() - began).toBeGreaterThan(1000)
      expect(performance.now() - began).toBeLessThan(4000)
      expect(await database.query('select n from t')).toEqual([{ n: 2 }])
    })
  })

  describe('what takes too long', () => {
    it('is given up: a statement, and its connection works on', async () => {
      const { database } = open({ connections: 1 })
      await database.query('select 1 as n')
      const [slow, waiting] = [
        database.query('select pg_sleep(20)').catch(error => error),
        database.query('select 1 as n'),
      ]
      expect(await slow).toMatchObject({
        code: 'database-busy',
        message: expect.stringContaining('took too long'),
      })
      expect(await waiting).toEqual([{ n: 1 }])
    })

    it('is given up: a lock that another one holds', async () => {
      const { database } = await withTable({ schema: 'locked' })
      const holder = server.psql('begin; lock table locked.t; select pg_sleep(5)')
      await sleep(200)
      await expect(database.query('select n from t')).rejects.toMatchObject({
        code: 'database-busy',
        message: expect.stringContaining('others held'),
      })
      await holder
      expect(await database.query('select n from t')).toEqual([{ n: 0 }])
    })

    it('is given up: a server that is silent; it works again as soon as the server does', async () => {
      const { database } = await withTable()
      await Promise.all(Array.from({ length: 5 }, () => database.query('select n from t')))
      const thaw = await server.freeze()
      const began = performance.now()
      try {
        const asked = await Promise.allSettled(
          Array.from({ length: 12 }, (_, i) =>
            i % 2 === 0
              ? database.query('select n from t')
              : database.batch([{ sql: 'update t set n = 3' }], { isRepeatable: true }),
          ),
        )
        expect(asked.every(({ status }) => status === 'rejected')).toBe(true)
        expect(performance.now() - began).toBeLessThan(7000)
        expect(database.isAway?.()).toBe(true)
      } finally {
        thaw()
      }
      const thawed = performance.now()
      await database.batch([{ sql: 'update t set n = 4' }])
      expect(performance.now() - thawed).toBeLessThan(1500)
      expect(await database.query('select n from t')).toEqual([{ n: 4 }])
      expect(database.isAway?.()).toBe(false)
    })
  })

  describe('batches that wait', () => {
    it('are written together, and each gets its own rows', async () => {
      const counted: string[] = []
      const { database } = await withTable({}, { connect: counting(/^commit/, counted) })
      counted.length = 0
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, i) =>
          database.batch(
            [
              { sql: 'insert into t values ($1, $2) returning n', values: [`k${i}`, i] },
              { sql: 'select k from t where k = $1', values: [`k${i}`] },
            ],
            { isRepeatable: true },
          ),
        ),
      )
      expect(answers).toEqual(answers.map((_, i) => [[{ n: i }], [{ k: `k${i}` }]]))
      expect(counted.length).toBeLessThan(10)
    })

    it('do not suffer from one among them that is refused', async () => {
      const { database } = await withTable()
      const asked = await Promise.allSettled(
        Array.from({ length: 30 }, (_, i) =>
          database.batch(
            [
              { sql: 'insert into t values ($1, 1)', values: [`k${i}`] },
              { sql: 'update t set n = $2 where k = $1', values: [`k${i}`, i === 17 ? -1 : i] },
            ],
            { isRepeatable: true },
          ),
        ),
      )
      expect(asked.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []))).toEqual([17])
      expect(asked[17]).toMatchObject({ reason: { code: 'database-broken' } })
      expect(await database.query('select cast(count(*) as integer) as n from t')).toEqual([{ n: 30 }])
    })

    it('hold one connection, so that reading goes on', async () => {
      const options = { schema: 'reading', connections: 2 }
      const { database } = await withTable(options)
      const holder = server.psql('begin; lock table reading.t in exclusive mode; select pg_sleep(1.5)')
      await sleep(200)
      const batches = Array.from({ length: 10 }, () => database.batch([{ sql: 'update t set n = n + 1' }]))
      const began = performance.now()
      expect(await database.query('select n from t')).toEqual([{ n: 0 }])
      expect(performance.now() - began).toBeLessThan(700)
      await holder
      await Promise.all(batches)
      expect(await database.query('select n from t')).toEqual([{ n: 10 }])
    })
  })
})

const HBA = `
local all all trust
host all guest 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
host all all ::1/128 trust
`

type Run = (sql: string, run: () => Promise<Row[]>, destroy: () => void) => Promise<Row[]>

/** Connections on which statements that `pattern` fits are run by `instead`. */
function withRun(instead: Run, pattern: RegExp): ConnectPostgres {
  return async (options, hooks) => {
    const connection = await connectPostgres(options, hooks)
    return {
      ...connection,
      run: (sql, values, isKept) => {
        const run = () => connection.run(sql, values, isKept)
        return pattern.test(sql) ? instead(sql, run, connection.destroy) : run()
      },
    }
  }
}

/** The statement is done, and its connection is lost before the answer is there; not the first `spared` times. */
function losing(pattern: RegExp, howOften: 'once' | 'always', spared = 0): ConnectPostgres {
  let seen = 0
  return withRun(async (_, run, destroy) => {
    const rows = await run()
    seen++
    if (seen <= spared || (howOften === 'once' && seen > spared + 1)) return rows
    destroy()
    throw Object.assign(new Error('the connection was lost'), { code: 'CONNECTION_CLOSED' })
  }, pattern)
}

function counting(pattern: RegExp, counted: string[]): ConnectPostgres {
  return withRun((sql, run) => {
    counted.push(sql)
    return run()
  }, pattern)
}
