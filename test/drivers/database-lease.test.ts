import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createSqliteDatabase } from '../../runtimes/shared/sqlite-database.ts'
import { migrate } from '../../src/catalog/catalog.ts'
import { createDatabaseLease } from '../../src/drivers/database-lease.ts'
import type { Database } from '../../src/ports/database.ts'
import { describeLease } from '../contracts/lease.ts'
import { hasPostgres, openPostgres, type PostgresService, startPostgres } from '../services/postgres.ts'

describe('in SQLite', () => {
  describeLeases(async () => createSqliteDatabase({ path: ':memory:' }))
})

describe.skipIf(!hasPostgres())('in Postgres', () => {
  let server: PostgresService
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.stop())

  describeLeases(async () => openPostgres(server.options()).database)

  it('has one winner among forty of four processes at once, again and again', async () => {
    const options = server.options()
    const databases = Array.from({ length: 4 }, () => openPostgres(options).database)
    await migrate(databases[0]!)
    const leases = databases.map(createDatabaseLease)
    let last = 0
    for (let round = 0; round < 20; round++) {
      const asked = await Promise.all(
        Array.from({ length: 40 }, (_, i) => leases[i % 4]!.acquire('a', 30, String(i))),
      )
      const won = asked.filter(held => held !== null)
      expect(won).toHaveLength(1)
      expect(won[0]!.token).toBeGreaterThan(last)
      last = won[0]!.token
      await won[0]!.release()
    }
    for (const database of databases) await database.close()
  })
})

function describeLeases(open: () => Promise<Database>): void {
  async function opened(): Promise<Database> {
    const database = await open()
    await migrate(database)
    return database
  }

  describeLease('database', async () => {
    const database = await opened()
    return {
      lease: createDatabaseLease(database),
      // The time of the database cannot be moved, so this waits.
      pass: seconds => sleep(seconds * 1000),
      close: () => database.close(),
    }
  })

  describe('database lease', () => {
    async function counted() {
      const database = await opened()
      onTestFinished(() => database.close())
      let calls = 0
      const query: Database['query'] = (...asked) => {
        calls++
        return database.query(...asked)
      }
      const batch: Database['batch'] = (...asked) => {
        calls++
        return database.batch(...asked)
      }
      const counting = { ...database, query, batch }
      return { database, lease: createDatabaseLease(counting), calls: () => calls }
    }

    it('takes one round trip for each call', async () => {
      const { lease, calls } = await counted()
      const held = await lease.acquire('a', 30)
      await lease.acquire('a', 30)
      await held!.renew(30)
      await lease.holder('a')
      await held!.release()
      expect(calls()).toBe(5)
    })

    it('is the same lease when it is asked for again because the answer was lost', async () => {
      const { database } = await counted()
      const twice: Database = {
        ...database,
        query: async (...asked) => {
          await database.query(...asked)
          return database.query(...asked)
        },
      }
      const lease = createDatabaseLease(twice)
      const held = await lease.acquire('a', 30)
      expect(held).not.toBeNull()
      expect(await held!.renew(30)).toBe(true)
      expect(await lease.acquire('a', 30)).toBeNull()
      await held!.release()
      expect((await lease.acquire('a', 30))!.token).toBeGreaterThan(held!.token)
    })

    it('lets go of rows that were over long ago, and of no others', async () => {
      const { database, lease } = await counted()
      await database.batch(
        Array.from({ length: 1500 }, (_, i) => ({
          sql: `insert into leases (name, token, note, expires_at, holder) values ($1, 5, '', 6, '')`,
          values: [`old/${i}`],
        })),
      )
      const held = await lease.acquire('held', 600)
      const released = await lease.acquire('released', 600)
      await released!.release()
      for (let i = 0; i < 600; i++) await lease.acquire('held', 600)
      const rows = await database.query('select name from leases order by name')
      expect(rows).toEqual([{ name: 'held' }, { name: 'released' }])
      expect(await held!.renew(600)).toBe(true)
    })

    it('has tokens that grow over the sweep of its row', async () => {
      const { database, lease } = await counted()
      const before = await lease.acquire('a', 30)
      await before!.release()
      await database.query('delete from leases')
      await sleep(2)
      expect((await lease.acquire('a', 30))!.token).toBeGreaterThan(before!.token)
    })

    it('has tokens that grow although the clock of the database was set back', async () => {
      const { database, lease } = await counted()
      const ahead = Date.now() + 3_600_000
      await database.query(
        `insert into leases (name, token, note, expires_at, holder) values ('a', $1, '', 0, '')`,
        [ahead],
      )
      expect((await lease.acquire('a', 30))!.token).toBe(ahead + 1)
    })
  })
}
