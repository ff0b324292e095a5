// Reads a SQLite file as it is at one moment, over a connection of its own: with a write-ahead log a reader sees what
// was committed when it began, and neither waits for those who write nor holds them up.

import { DatabaseSync } from 'node:sqlite'
import { toSqliteSql } from '../../src/drivers/sqlite-dialect.ts'
import type { Row, SqlValue, Statement, TakeRows } from '../../src/ports/database.ts'
import { toSqliteProblem } from './sqlite-problems.ts'

const PAGE = 1000
/** Only a database that is being recovered after a crash is locked for readers, and that for a moment. */
const BUSY_MS = 5000

export async function readSqliteSnapshot(
  path: string,
  statements: readonly Statement[],
  take: TakeRows,
): Promise<void> {
  const read = <Result>(sql: string, work: () => Result): Result => {
    try {
      return work()
    } catch (error) {
      throw toSqliteProblem(error, path, sql, BUSY_MS)
    }
  }
  const handle = read('open', () => new DatabaseSync(path))
  try {
    read('begin', () => {
      handle.exec(`pragma busy_timeout = ${BUSY_MS}`)
      handle.exec('begin')
    })
    for (const [index, { sql, values = [] }] of statements.entries()) {
      const rows = read(sql, () => handle.prepare(toSqliteSql(sql)).iterate(...values.map(toBound)))
      for (;;) {
        const page = read(sql, () => firstOf(rows, PAGE))
        if (page.length > 0) await take(page, index)
        if (page.length < PAGE) break
      }
    }
  } finally {
    handle.close()
  }
}

/** Rows hold texts, numbers and nulls, as the schema of the catalog has no other types. */
function firstOf(rows: Iterator<unknown>, limit: number): Row[] {
  const page: Row[] = []
  while (page.length < limit) {
    const { done, value } = rows.next()
    if (done) break
    page.push(value as Row)
  }
  return page
}

/** A number would be bound as a real, which divides and prints differently from the integer it is elsewhere. */
export function toBound(value: SqlValue): SqlValue | bigint {
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
}
