// Rows in D1, behind the database port. D1 knows no transaction but `batch` and allows 100 parameters a statement. It binds
// every number as a real, so a statement that divides or prints one says `cast($1 as integer)`; integers beyond 2^53 it
// rounds without a word, so none may be stored.

import { SQLITE_NOW, shortSql, toSqliteSql } from '../../src/drivers/sqlite-dialect.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Database, Row, SqlValue, Statement, TakeRows } from '../../src/ports/database.ts'

const PAGE = 1000

export function createD1Database(d1: D1Database): Database {
  async function query(sql: string, values: readonly SqlValue[] = []): Promise<Row[]> {
    try {
      const { results } = await prepare({ sql, values }).all<Row>()
      return results
    } catch (error) {
      throw toD1Problem(error, sql)
    }
  }

  async function batch(statements: readonly Statement[]): Promise<Row[][]> {
    const [first] = statements
    if (first === undefined) return []
    try {
      const answers = await d1.batch<Row>(statements.map(prepare))
      return answers.map(answer => answer.results)
    } catch (error) {
      throw toD1Problem(error, first.sql)
    }
  }

  /** Nothing else is done in one moment, so all pages are read at once. */
  async function snapshot(statements: readonly Statement[], take: TakeRows): Promise<void> {
    const results = await batch(statements)
    for (const [index, rows] of results.entries()) {
      for (let at = 0; at < rows.length; at += PAGE) await take(rows.slice(at, at + PAGE), index)
    }
  }

  function prepare({ sql, values = [] }: Statement): D1PreparedStatement {
    return d1.prepare(toSqliteSql(sql)).bind(...values)
  }

  return {
    nowSql: SQLITE_NOW,
    query,
    batch,
    snapshot,
    // A binding holds nothing that could be closed.
    close: async () => {},
  }
}

/** D1 tells what happened in the text alone (https://developers.cloudflare.com/d1/observability/debug-d1/). */
function toD1Problem(error: unknown, sql: string): Problem {
  if (error instanceof Problem) return error
  const reason = error instanceof Error ? error.message : String(error)
  const detail = { sql: shortSql(sql) }
  if (
    /overloaded|too many requests|exceeded timeout|network connection lost|reset because|SQLITE_BUSY/i.test(
      reason,
    )
  ) {
    return new Problem('database-busy', `Cannot use D1: ${reason}`, detail, { cause: error })
  }
  if (/maximum DB size|SQLITE_FULL/i.test(reason)) {
    return new Problem('store-full', `Cannot write to D1, it is full: ${reason}`, detail, { cause: error })
  }
  return new Problem('database-broken', `Cannot use D1: ${reason}`, detail, { cause: error })
}
