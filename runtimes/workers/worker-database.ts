// The rows of a Worker: D1, or Postgres when its variables are set or Hyperdrive is bound. A connection to Postgres belongs
// to the request that made it, and so does all that waits for it.

import { AsyncLocalStorage } from 'node:async_hooks'
import type { ConnectionHooks } from '../../src/drivers/postgres-connection.ts'
import { createPostgresDatabase } from '../../src/drivers/postgres-database.ts'
import { POSTGRES_NOW } from '../../src/drivers/postgres-dialect.ts'
import { printPlace } from '../../src/drivers/postgres-problems.ts'
import { openSession } from '../../src/drivers/postgres-session.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Database } from '../../src/ports/database.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Part } from '../../src/services.ts'
import type { Bindings } from './bindings.ts'
import { createD1Database } from './d1-database.ts'
import { openPooledSession } from './pooled-session.ts'
import { connectPostgres } from './postgres-socket.ts'
import { createScopedPool, newOutage } from './scoped-pool.ts'
import type { WorkerEnvironment, WorkerPostgres } from './worker-environment.ts'

export interface DatabaseSenses {
  readonly clock: Clock
  readonly log: Log
  /** Keeps the request, or the object, alive for `work`. */
  waitUntil(work: Promise<unknown>): void
}

export interface WorkerDatabase {
  /** For whatever request is being answered. */
  readonly database: Database
  /** All of `work`, and what it begins, has the same connection, which is given up after it. */
  within<Result>(work: () => Promise<Result>): Promise<Result>
}

/** How long a Durable Object keeps a connection that nobody uses. */
const LINGER_MS = 1_000

// Plain data, which Workers and Durable Objects of one isolate may share.
const outage = newOutage()

/** For an application that answers many requests. */
export function openRequestDatabase(
  env: Bindings,
  { postgres }: WorkerEnvironment,
  senses: DatabaseSenses,
): WorkerDatabase {
  if (postgres === null) return { database: openD1(env), within: work => work() }
  const scopes = new AsyncLocalStorage<Database>()
  const open = () => openPostgres(postgres, senses, null)

  async function within<Result>(work: () => Promise<Result>): Promise<Result> {
    const database = open()
    try {
      return await scopes.run(database, work)
    } finally {
      senses.waitUntil(database.close())
    }
  }

  function ask<Result>(work: (database: Database) => Promise<Result>): Promise<Result> {
    const database = scopes.getStore()
    if (database !== undefined) return work(database)
    const own = open()
    return work(own).finally(() => senses.waitUntil(own.close()))
  }

  return {
    within,
    database: {
      nowSql: POSTGRES_NOW,
      query: (...call) => ask(database => database.query(...call)),
      batch: (...call) => ask(database => database.batch(...call)),
      snapshot: (...call) => ask(database => database.snapshot(...call)),
      close: async () => {},
    },
  }
}

/** For a Durable Object, whose requests may share a connection: they are all at home in it. */
export function openObjectDatabase(
  env: Bindings,
  { postgres }: WorkerEnvironment,
  senses: DatabaseSenses,
): Database {
  return postgres === null ? openD1(env) : openPostgres(postgres, senses, LINGER_MS)
}

export function databasePart({ postgres }: WorkerEnvironment, database: Database): Part {
  const check = async () => {
    await database.query('select 1 as one')
  }
  return { name: 'catalog', product: productOf(postgres), isNeeded: true, check }
}

function productOf(postgres: WorkerPostgres | null): string {
  if (postgres === null) return 'D1 database DB'
  const { options, isPooled } = postgres
  const place = isPooled ? `Postgres ${options.database} through Hyperdrive` : printPlace(options)
  return `${place} schema ${options.schema}`
}

function openD1({ DB }: Bindings): Database {
  if (DB === undefined) throw new Problem('internal', 'Cannot open D1: nothing is bound as DB')
  return createD1Database(DB)
}

function openPostgres(
  { options, isPooled }: WorkerPostgres,
  senses: DatabaseSenses,
  lingerMs: number | null,
): Database {
  async function open(hooks: ConnectionHooks) {
    const connection = await connectPostgres(options, hooks)
    return isPooled ? openPooledSession(connection, options) : openSession(connection, options)
  }
  return createPostgresDatabase(
    createScopedPool({ ...senses, options, open, outage, lingerMs }),
    senses.clock,
  )
}
