// How a statement is sent, and whether it may be sent again.

import type { Row, SqlValue } from '../ports/database.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import { changesTables, toPostgresSql } from './postgres-dialect.ts'
import { failureOf } from './postgres-problems.ts'

/** Of a statement whose plan is kept. Longer ones have as many texts as they may have rows. */
const KEPT_VALUES = 100

export function runStatement(
  connection: PostgresConnection,
  sql: string,
  values: readonly SqlValue[] = [],
): Promise<Row[]> {
  const isKept = values.length <= KEPT_VALUES && !changesTables(sql)
  return connection.run(toPostgresSql(sql), values, isKept)
}

export function mayRetry(error: unknown, isRepeatable: boolean): boolean {
  const failure = failureOf(error)
  return failure === 'undone' || (failure === 'unknown' && isRepeatable)
}

/** How long a statement may take: changing tables with millions of rows takes its time. */
export function workMsOf(sql: string): number | undefined {
  return changesTables(sql) ? 600_000 : undefined
}
