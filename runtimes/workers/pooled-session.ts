// A session behind a pooler such as Hyperdrive, which may give every transaction another connection of the server. What
// a session is told elsewhere is told here to each transaction, and no plan is kept from one to the next.

import type { PostgresConnection, PostgresOptions } from '../../src/drivers/postgres-connection.ts'
import { printPlace } from '../../src/drivers/postgres-problems.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Row, SqlValue } from '../../src/ports/database.ts'

/** In milliseconds: a little less than we ourselves wait. */
const TELL = `select set_config('search_path', $1, true), set_config('statement_timeout', '4000', true),
  set_config('lock_timeout', '3500', true), set_config('idle_in_transaction_session_timeout', '2500', true),
  set_config('standard_conforming_strings', 'on', true)`

/** The connection, ready for our tables; it is broken off when that fails. */
export async function openPooledSession(
  connection: PostgresConnection,
  options: PostgresOptions,
): Promise<PostgresConnection> {
  const session = toPooled(connection, quoteName(options.schema))
  try {
    await prepare(session, options)
    return session
  } catch (error) {
    connection.destroy()
    throw error
  }
}

async function prepare(session: PostgresConnection, options: PostgresOptions): Promise<void> {
  const [facts] = await session.run(
    `select current_setting('server_encoding') as encoding,
      exists (select 1 from pg_catalog.pg_namespace where nspname = $1) as has_schema`,
    [options.schema],
  )
  if (facts?.encoding !== 'UTF8' && facts?.encoding !== 'SQL_ASCII') {
    const place = printPlace(options)
    throw new Problem('database-broken', `Cannot use ${place}: its encoding is ${facts?.encoding}, not UTF8`)
  }
  if (Number(facts.has_schema) === 1) return
  await session.run(`create schema if not exists ${quoteName(options.schema)}`).catch(unlessMade)
}

function toPooled(connection: PostgresConnection, path: string): PostgresConnection {
  let isInTransaction = false

  function begin(sql: string): Promise<Row[]> {
    const begun = connection.run(sql)
    // Sent at once, so that whatever is given next comes after it; a failure of it fails all that does.
    connection.run(TELL, [path]).catch(() => {})
    return begun
  }

  async function alone(sql: string, values: readonly SqlValue[]): Promise<Row[]> {
    const steps = [begin('begin'), connection.run(sql, values), connection.run('commit')]
    const settled = await Promise.allSettled(steps)
    for (const step of settled) if (step.status === 'rejected') throw step.reason
    return (await steps[1]) ?? []
  }

  return {
    ...connection,
    run(sql, values = []) {
      if (/^begin\b/i.test(sql)) {
        isInTransaction = true
        return begin(sql)
      }
      if (!isInTransaction) return alone(sql, values)
      if (/^(commit|rollback)\b/i.test(sql)) isInTransaction = false
      return connection.run(sql, values)
    },
  }
}

/** Another one that makes it in the same moment is as good. */
function unlessMade(error: unknown): void {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  if (code !== '23505' && code !== '42P06') throw error
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
