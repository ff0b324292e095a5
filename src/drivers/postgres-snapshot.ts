// Reads Postgres as it is at one moment: cursors in one transaction that only reads. It has a connection for as long as
// it takes, holds up nobody, and takes no part in the lock of those who write.

import type { Row, Statement, TakeRows } from '../ports/database.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import { toPostgresSql } from './postgres-dialect.ts'
import type { PostgresPool } from './postgres-pool.ts'
import { toPostgresProblem } from './postgres-problems.ts'

const PAGE = 1000
const HOUR_MS = 3_600_000
/** A page of millions of rows may have to be sorted first; what takes the rows may be slow. */
const PAGE_MS = 600_000

const BEGIN = [
  'begin isolation level repeatable read read only',
  `set local statement_timeout = ${PAGE_MS}`,
  `set local idle_in_transaction_session_timeout = ${PAGE_MS}`,
]

export async function readPostgresSnapshot(
  pool: PostgresPool,
  statements: readonly Statement[],
  take: TakeRows,
): Promise<void> {
  const failures: unknown[] = []
  const watched: TakeRows = (rows, index) =>
    take(rows, index).catch(error => {
      failures.push(error)
      throw error
    })
  try {
    await pool.use(
      pool.deadline(),
      async connection => {
        try {
          await read(connection, statements, watched)
        } catch (error) {
          await connection.run('rollback').catch(() => {})
          throw error
        }
      },
      HOUR_MS,
    )
  } catch (error) {
    // What the taker fails with says nothing about the server.
    if (failures.length > 0) throw error
    throw toPostgresProblem(error, pool.options, statements[0]?.sql ?? '')
  }
}

async function read(
  connection: PostgresConnection,
  statements: readonly Statement[],
  take: TakeRows,
): Promise<void> {
  for (const sql of BEGIN) await connection.run(sql)
  for (const [index, { sql, values }] of statements.entries()) {
    await connection.run(`declare snapshot no scroll cursor for ${toPostgresSql(sql)}`, values)
    for (let rows: Row[] = []; ; ) {
      rows = await connection.run(`fetch ${PAGE} from snapshot`)
      if (rows.length > 0) await take(rows, index)
      if (rows.length < PAGE) break
    }
    await connection.run('close snapshot')
  }
  await connection.run('commit')
}
