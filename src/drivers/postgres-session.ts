// What every connection is told before anything else: our schema, made when it is absent, and how long the server may
// take for a statement and for us. A process that vanishes with a transaction open holds up nobody for longer than that.

import { Problem } from '../model/problem.ts'
import type { PostgresConnection, PostgresOptions } from './postgres-connection.ts'
import { printPlace } from './postgres-problems.ts'

/** In milliseconds and seconds, as the server takes them (https://www.postgresql.org/docs/current/runtime-config.html). */
const SETTINGS: Readonly<Record<string, string>> = {
  statement_timeout: '4000',
  lock_timeout: '3500',
  idle_in_transaction_session_timeout: '2500',
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  standard_conforming_strings: 'on',
}

/** The connection, ready for our tables; it is broken off when that fails. */
export async function openSession(
  connection: PostgresConnection,
  options: PostgresOptions,
): Promise<PostgresConnection> {
  try {
    await prepare(connection, options)
    return connection
  } catch (error) {
    connection.destroy()
    throw error
  }
}

async function prepare(connection: PostgresConnection, options: PostgresOptions): Promise<void> {
  const { schema } = options
  const settings = { ...SETTINGS, search_path: quoteName(schema) }
  const calls = Object.keys(settings).map((name, i) => `set_config('${name}', $${i + 2}, false)`)
  const [facts] = await connection.run(
    `select ${calls.join(', ')}, current_setting('server_encoding') as encoding,
      exists (select 1 from pg_catalog.pg_namespace where nspname = $1) as has_schema`,
    [schema, ...Object.values(settings)],
  )
  const encoding = String(facts?.encoding)
  if (encoding !== 'UTF8' && encoding !== 'SQL_ASCII') {
    throw new Problem(
      'database-broken',
      `Cannot use ${printPlace(options)}: its encoding is ${encoding}. Make a database with encoding UTF8, and set DBNAME`,
    )
  }
  if (Number(facts?.has_schema) === 1) return
  await connection.run(`create schema if not exists ${quoteName(schema)}`).catch(unlessMade)
}

/** Another process that makes it in the same moment is as good. */
function unlessMade(error: unknown): void {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  if (code !== '23505' && code !== '42P06') throw error
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
