// What SQLite's refusals mean: the code the program acts on, and what the operator can do about it.

import { shortSql } from '../../src/drivers/sqlite-dialect.ts'
import { Problem } from '../../src/model/problem.ts'

export type Refusal =
  | 'busy'
  | 'full'
  | 'damaged'
  | 'unreachable'
  | 'read-only'
  | 'disk'
  | 'constraint'
  | 'range'
  | 'other'

/** Primary result codes (https://sqlite.org/rescode.html); the low byte of the extended ones. */
const REFUSAL_OF_CODE: Readonly<Record<number, Refusal>> = {
  5: 'busy',
  6: 'busy',
  8: 'read-only',
  10: 'disk',
  11: 'damaged',
  13: 'full',
  14: 'unreachable',
  19: 'constraint',
  26: 'damaged',
}

/** Deno tells no code, so the fixed texts of SQLite have to do. */
const REFUSAL_OF_TEXT: readonly [RegExp, Refusal][] = [
  [/database (table |schema )?is locked/, 'busy'],
  [/readonly database/, 'read-only'],
  [/disk I\/O error/, 'disk'],
  [/malformed|not a database/, 'damaged'],
  [/database or disk is full/, 'full'],
  [/unable to open database/, 'unreachable'],
  [/constraint failed/, 'constraint'],
  [/too large to be represented/, 'range'],
]

const ADVICE: Readonly<Record<Exclude<Refusal, 'busy' | 'full'>, string>> = {
  damaged:
    'the file is damaged or no SQLite database. Put a backup in its place, or move it away together with its -wal and -shm files: a new one is made then',
  unreachable: 'the file cannot be opened. Look at its path and at the permissions of its directory',
  'read-only': 'it cannot be written. Let the user that runs artifactapi write the file and its directory',
  disk: 'the disk failed to read or write',
  constraint: 'a constraint refused it',
  range: 'it holds an integer beyond 2^53',
  other: 'SQLite refused it',
}

export function refusalOf(error: unknown): Refusal {
  if (typeof error !== 'object' || error === null) return 'other'
  if ('errcode' in error && typeof error.errcode === 'number') {
    const refusal = REFUSAL_OF_CODE[error.errcode & 0xff]
    if (refusal !== undefined) return refusal
  }
  const message = 'message' in error ? String(error.message) : ''
  return REFUSAL_OF_TEXT.find(([text]) => text.test(message))?.[1] ?? 'other'
}

/** After these the connection is of no use any more. */
export function endsConnection(refusal: Refusal): boolean {
  return refusal === 'damaged' || refusal === 'unreachable' || refusal === 'read-only' || refusal === 'disk'
}

export function toSqliteProblem(error: unknown, path: string, sql: string, waitedMs: number): Problem {
  if (error instanceof Problem) return error
  const refusal = refusalOf(error)
  const reason = error instanceof Error ? error.message : String(error)
  const action = `Cannot use database ${path}`
  const detail = { path, sql: shortSql(sql), reason: refusal }
  if (refusal === 'busy') {
    const waited = `another process has held it for ${Math.round(waitedMs)} ms`
    return new Problem('database-busy', `${action}: ${waited} (${reason})`, detail, { cause: error })
  }
  if (refusal === 'full') {
    const advice = `the disk is full. Free space where it lies (${reason})`
    return new Problem('store-full', `${action}: ${advice}`, detail, { cause: error })
  }
  return new Problem('database-broken', `${action}: ${ADVICE[refusal]} (${reason})`, detail, { cause: error })
}
