// What failures of Postgres mean: whether the statement may have been done, whether trying again makes sense, and what
// the operator can do about it. SQLSTATE codes: https://www.postgresql.org/docs/current/errcodes-appendix.html

import { Problem, type ProblemCode } from '../model/problem.ts'
import type { PostgresOptions } from './postgres-connection.ts'
import { shortSql } from './sqlite-dialect.ts'

export type Failure =
  /** It refused the statement: nothing was done, and nothing will be. */
  | 'refused'
  /** Nothing was done; the next time it may be. */
  | 'undone'
  /** The connection was lost meanwhile: it may have been done, or not. */
  | 'unknown'

/** Connecting in vain: the server is there, and will never let us in. */
const HOPELESS = /^(28|3D|3F|42)[0-9A-Z]{3}$/
const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|SASL/

export function failureOf(error: unknown): Failure {
  const code = codeOf(error)
  // Rolled back for others' sake or for our silence, or refused by a server that is no longer the primary.
  if (/^(40001|40P01|25P03|25006)$/.test(code) || isStalePlan(error)) return 'undone'
  return isLoss(code) ? 'unknown' : 'refused'
}

/** True when the server can be reached, and waiting will not help. */
export function isHopeless(error: unknown): boolean {
  if (error instanceof Problem) return true
  const code = codeOf(error)
  return HOPELESS.test(code) || UNTRUSTED.test(code)
}

/** True when a connection is of no use any more, although it is open. */
export function endsConnection(error: unknown): boolean {
  const code = codeOf(error)
  return /^(25006|25P03)$/.test(code) || isLoss(code)
}

/** Where it is, for messages: never with the password. */
export function printPlace({ host, port, database }: PostgresOptions): string {
  return `Postgres ${host.includes(':') ? `[${host}]` : host}:${port}/${database}`
}

export function toPostgresProblem(error: unknown, options: PostgresOptions, sql: string): Problem {
  if (error instanceof Problem) return error
  const code = codeOf(error)
  const detail = { database: printPlace(options), sql: shortSql(sql), reason: code }
  const text = `Cannot use ${printPlace(options)}: ${reasonOf(error, options)}`
  return new Problem(problemCodeOf(code, error), text, detail, { cause: error })
}

/** In words that say what to do where we know it. */
export function reasonOf(error: unknown, { user, schema }: PostgresOptions): string {
  const message = error instanceof Error ? error.message || codeOf(error) : String(error)
  const advice = ADVICE.find(([pattern]) => pattern.test(codeOf(error)))?.[1]
  return advice === undefined ? message : `${advice.replace('%u', user).replace('%s', schema)} (${message})`
}

const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/^28/, 'it does not let user %u in. Look at DBUSER and DBPASS'],
  [/^3D000$/, 'there is no such database. Make it, or set DBNAME'],
  [/^42501$/, 'user %u may not do this. Let it use and create in schema %s, or make the schema for it'],
  [/^53100$/, 'its disk is full'],
  [/^53300$/, 'it has no connection left for us. Lower DBPOOL, or raise its max_connections'],
  [/^57014$/, 'the statement took too long, and was given up'],
  [/^55P03$/, 'others held what the statement needs for too long'],
  [UNTRUSTED, 'its certificate is not trusted. Look at DBSSLMODE and DBCAFILE'],
]

function problemCodeOf(code: string, error: unknown): ProblemCode {
  if (code === '53100') return 'store-full'
  if (/^(53|55P03|57014|57P03|40)/.test(code)) return 'database-busy'
  return failureOf(error) === 'refused' ? 'database-broken' : 'database-busy'
}

function isStalePlan(error: unknown): boolean {
  return error instanceof Error && 'routine' in error && error.routine === 'RevalidateCachedQuery'
}

/** The end of the connection, as the server, the system or the client library tells it. */
function isLoss(code: string): boolean {
  return /^(57P0[1-5]|CONNECT\w*|E[A-Z]+|NO_ANSWER)$/.test(code)
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
}
