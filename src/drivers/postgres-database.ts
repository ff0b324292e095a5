// Rows in Postgres. Whatever it refuses or loses is told as a Problem within seconds; what can be done again without
// harm is done again once, so that a server that restarts, or gives up one connection, is noticed by nobody.

import type { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { Database, Row, SqlValue } from '../ports/database.ts'
import { isReading, POSTGRES_NOW } from './postgres-dialect.ts'
import type { PostgresPool } from './postgres-pool.ts'
import { toPostgresProblem } from './postgres-problems.ts'
import { readPostgresSnapshot } from './postgres-snapshot.ts'
import { mayRetry, runStatement, workMsOf } from './postgres-statements.ts'
import { createPostgresWriter } from './postgres-writer.ts'

/** Always some time before trying again, and never the same for all who do. */
const PAUSE_MS = 100

export function createPostgresDatabase(pool: PostgresPool, clock: Clock): Database {
  const writer = createPostgresWriter(pool, pauseBeforeRetry)

  async function query(
    sql: string,
    values: readonly SqlValue[] = [],
    { isRepeatable = isReading(sql) } = {},
  ): Promise<Row[]> {
    const deadline = pool.deadline()
    const once = () => pool.use(deadline, connection => runStatement(connection, sql, values), workMsOf(sql))
    try {
      return await once()
    } catch (error) {
      if (!mayRetry(error, isRepeatable) || clock.now() >= deadline) throw problem(error, sql)
    }
    await pauseBeforeRetry()
    return once().catch(error => {
      throw problem(error, sql)
    })
  }

  function pauseBeforeRetry(): Promise<void> {
    return clock.sleep(PAUSE_MS * (1 + Math.random()))
  }

  function problem(error: unknown, sql: string): Problem {
    return toPostgresProblem(error, pool.options, sql)
  }

  return {
    nowSql: POSTGRES_NOW,
    query,
    batch: writer.batch,
    snapshot: (statements, take) => readPostgresSnapshot(pool, statements, take),
    isAway: () => pool.outage() !== null,
    close: () => pool.close(),
  }
}
