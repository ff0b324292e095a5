// Two processes at work on one catalog while their Postgres is killed, restarted, frozen. What a test of drivers can do
// here runs on every runtime; whole servers are in test/faults.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Catalog, createCatalog, migrate } from '../../src/catalog/catalog.ts'
import { withNews } from '../../src/catalog/news.ts'
import { withRecent } from '../../src/catalog/recent.ts'
import { createDatabaseLease } from '../../src/drivers/database-lease.ts'
import type { PostgresOptions } from '../../src/drivers/postgres-connection.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import type { ObjectRow } from '../../src/model/object.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Lease } from '../../src/ports/lease.ts'
import { rowOf } from '../catalog/sample-rows.ts'
import {
  hasPostgres,
  type OpenedPostgres,
  openPostgres,
  type PostgresService,
  startPostgres,
} from '../services/postgres.ts'

/** What waits for a server waits five seconds, and some more until it is told. */
const LONGEST_MS = 6_000
const HOT = 10

interface Replica extends OpenedPostgres {
  readonly catalog: Catalog
  readonly lease: Lease
}

interface Call {
  readonly what: 'hot' | 'look' | 'keep' | 'lease'
  readonly ms: number
  readonly error: unknown
}

describe.skipIf(!hasPostgres())('while Postgres', () => {
  let server: PostgresService
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.stop())

  it('is killed and started again, again and again: nobody fails, nothing is lost', async () => {
    const { replicas, options } = await openReplicas()
    const work = await startWork(replicas)
    const recoveries: number[] = []
    for (let round = 0; round < 3; round++) {
      await sleep(400)
      await server.crash()
      await sleep(1_200)
      await server.restart()
      recoveries.push(await recovery(replicas))
    }
    await sleep(300)
    await work.end()
    report('killed for 1.2 s', work.calls, recoveries)
    expect(failed(work.calls)).toEqual([])
    expect(longest(work.calls, 'hot')).toBeLessThan(1_000)
    expect(longest(work.calls)).toBeLessThan(LONGEST_MS)
    expect(Math.max(...recoveries)).toBeLessThan(1_000)
    await expectAllThere(options, work.kept)
  })

  it('stays away for longer than anybody waits: calls fail in time, what is hot is served, and it comes back by itself', async () => {
    const { replicas, options } = await openReplicas()
    const work = await startWork(replicas)
    await sleep(300)
    await server.crash()
    await sleep(8_000)
    expect(replicas.map(({ catalog }) => catalog.isAway())).toEqual([true, true])
    await server.restart()
    const recoveries = [await recovery(replicas)]
    await sleep(300)
    await work.end()
    report('away for 8 s', work.calls, recoveries)
    expect(failed(work.calls, 'hot')).toEqual([])
    expect(longest(work.calls, 'hot')).toBeLessThan(1_000)
    for (const { error } of failed(work.calls)) expect(error).toMatchObject({ code: 'database-busy' })
    expect(failed(work.calls).length).toBeGreaterThan(5)
    expect(longest(work.calls)).toBeLessThan(LONGEST_MS)
    expect(Math.max(...recoveries)).toBeLessThan(1_000)
    await expectAllThere(options, work.kept)
  })

  it('is frozen: what is hot is served, nothing hangs, and it goes on by itself', async () => {
    const { replicas, options } = await openReplicas()
    const work = await startWork(replicas)
    await sleep(300)
    const thaw = await server.freeze()
    await sleep(8_000)
    thaw()
    const recoveries = [await recovery(replicas)]
    await sleep(300)
    await work.end()
    report('frozen for 8 s', work.calls, recoveries)
    expect(failed(work.calls, 'hot')).toEqual([])
    expect(longest(work.calls, 'hot')).toBeLessThan(1_000)
    // Whoever had waited for a connection already waits once more for its answer.
    expect(longest(work.calls)).toBeLessThan(2 * LONGEST_MS)
    expect(Math.max(...recoveries)).toBeLessThan(1_000)
    await expectAllThere(options, work.kept)
  })

  it('ends all connections, those that listen too: changes are heard again, and none was missed', async () => {
    const { replicas } = await openReplicas()
    const [here, there] = replicas as [Replica, Replica]
    const row = rowOf('r', 'changing', '0')
    await here.catalog.keep(row)
    await eventually(async () => expect((await there.catalog.find('r', 'changing'))?.sha256).toBe(row.sha256))
    for (let i = 1; i <= 5; i++) {
      const next = rowOf('r', 'changing', String(i))
      await Promise.all([
        here.catalog.keep(next),
        server.psql(
          `select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'artifactapi'`,
        ),
      ])
      await eventually(async () =>
        expect((await there.catalog.find('r', 'changing'))?.sha256).toBe(next.sha256),
      )
    }
    await eventually(() => expect(replicas.map(each => each.broadcast.isConnected())).toEqual([true, true]))
  })

  async function openReplicas(): Promise<{ replicas: Replica[]; options: PostgresOptions }> {
    const options = server.options()
    const clock = createSystemClock()
    const replicas = [0, 1].map(() => {
      const opened = openPostgres(options)
      onTestFinished(() => opened.close())
      const { database, broadcast } = opened
      const catalog = withRecent(withNews(createCatalog(database, clock), broadcast), { broadcast, clock })
      return { ...opened, catalog, lease: createDatabaseLease(database) }
    })
    await Promise.all(replicas.map(({ database }) => migrate(database)))
    await eventually(() => expect(replicas.every(each => each.broadcast.isConnected())).toBe(true))
    return { replicas, options }
  }

  /** How long after the server served a fresh client each of them has written and read, and hears of changes again. */
  async function recovery(replicas: readonly Replica[]): Promise<number> {
    const began = performance.now()
    // A client that knows of no outage: what it waits for is the server, or this machine, and not ours to mend.
    const fresh = server.psql('select 1').then(() => performance.now())
    const ours = Promise.all(
      replicas.map(async ({ catalog, broadcast }, i) => {
        await catalog.keep(rowOf('recovery', String(i), String(began)))
        await catalog.look('recovery', String(i))
        while (!broadcast.isConnected()) await sleep(5)
      }),
    ).then(() => performance.now())
    const [servedAt, backAt] = await Promise.all([fresh, ours])
    return backAt - servedAt
  }

  async function expectAllThere(options: PostgresOptions, kept: readonly ObjectRow[]): Promise<void> {
    const { database, close } = openPostgres(options)
    onTestFinished(close)
    const catalog = createCatalog(database, createSystemClock())
    expect(kept.length).toBeGreaterThan(30)
    const missing: string[] = []
    for (const row of kept)
      if ((await catalog.find(row.repository, row.key))?.sha256 !== row.sha256) missing.push(row.key)
    expect(missing).toEqual([])
    const [counted] = await database.query('select count(*) as objects, sum(size) as bytes from objects')
    const usage = [...(await catalog.usage()).repositories.values()]
    const sum = (of: 'objects' | 'bytes') => usage.reduce((all, each) => all + each[of], 0)
    expect({ objects: sum('objects'), bytes: sum('bytes') }).toEqual(counted)
  }
})

/** Twenty callers, ten in each process: finds of what is at hand, reading, writing, leases. */
async function startWork(replicas: readonly Replica[]) {
  const calls: Call[] = []
  const kept: ObjectRow[] = []
  let isOver = false
  let count = 0
  const hot = Array.from({ length: HOT }, (_, i) => rowOf('r', `hot ${i}`, 'hot'))
  for (const row of hot) await replicas[0]?.catalog.keep(row)
  for (const { catalog } of replicas) for (const { key } of hot) await catalog.find('r', key)

  async function call(what: Call['what'], work: () => Promise<unknown>): Promise<void> {
    const began = performance.now()
    const error = await work().then(
      () => null,
      problem => problem,
    )
    calls.push({ what, ms: performance.now() - began, error })
  }

  async function caller({ catalog, lease }: Replica, i: number): Promise<void> {
    while (!isOver) {
      const n = count++
      if (i % 5 < 2)
        await call('hot', async () => {
          const row = await catalog.find('r', `hot ${n % HOT}`)
          if (row === null) throw new Error('a row that is there was not found')
        })
      else if (i % 5 === 2) await call('look', () => catalog.look('r', `hot ${n % HOT}`))
      else if (i % 5 === 3) {
        const row = rowOf('r', `kept ${n}`, String(n))
        await call('keep', () => catalog.keep(row).then(() => kept.push(row)))
      } else
        await call('lease', async () => {
          const held = await lease.acquire(`lease ${n}`, 30)
          if (held === null) throw new Error('a lease that nobody has was not given')
          await held.release()
        })
      await sleep(2)
    }
  }

  const running = Array.from({ length: 20 }, (_, i) => caller(replicas[i % 2] as Replica, Math.floor(i / 2)))
  return {
    calls,
    kept,
    async end() {
      isOver = true
      await Promise.all(running)
    },
  }
}

function failed(calls: readonly Call[], what?: Call['what']): Call[] {
  return calls.filter(call => call.error !== null && (what === undefined || call.what === what))
}

function longest(calls: readonly Call[], what?: Call['what']): number {
  return Math.max(...calls.filter(call => what === undefined || call.what === what).map(({ ms }) => ms))
}

/** For whoever wants to see figures: `POSTGRES_FAULTS=show`. */
function report(title: string, calls: readonly Call[], recoveries: readonly number[]): void {
  if (process.env.POSTGRES_FAULTS !== 'show') return
  for (const what of ['hot', 'look', 'keep', 'lease'] as const) {
    const own = calls.filter(call => call.what === what)
    const codes = failed(own).map(({ error }) => (error instanceof Problem ? error.code : String(error)))
    const ms = Math.round(longest(own))
    console.log(
      `${title}: ${what}: ${own.length} calls, ${codes.length} failed (${[...new Set(codes)]}), longest ${ms} ms`,
    )
  }
  console.log(`${title}: recovered after ${recoveries.map(Math.round).join(', ')} ms`)
}

async function eventually(check: () => void | Promise<void>): Promise<void> {
  const deadline = performance.now() + 5_000
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await sleep(10)
  }
}
