// Rows in a SQLite file, over node:sqlite (Bun, Deno, Node). Calls are synchronous, so they must be short and must never
// wait inside SQLite: a lock that others hold is waited for between attempts, with the event loop turning.

import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { countParameters, SQLITE_NOW, shortSql, toSqliteSql } from '../../src/drivers/sqlite-dialect.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Database, Row, SqlValue, Statement, TakeRows } from '../../src/ports/database.ts'
import { endsConnection, refusalOf, toSqliteProblem } from './sqlite-problems.ts'
import { readSqliteSnapshot, toBound } from './sqlite-snapshot.ts'

export interface SqliteDatabaseOptions {
  /** The file; its directory is made. `:memory:` for one that ends with the process. */
  readonly path: string
  /** How long a lock of another process is waited for. */
  readonly busyLimitMs?: number
}

/** What the setting up of a connection does; each is a statement of its own. */
const PRAGMAS = [
  'pragma busy_timeout = 0',
  'pragma journal_mode = wal',
  // A commit is in the write-ahead log, handed to the kernel, before it is answered: `kill -9` loses none. The log is
  // synced only at checkpoints, so a power failure may take the last commits back, but leaves nothing half. The objects
  // concerned are fetched again; uploads of the last seconds would have to be repeated.
  'pragma synchronous = normal',
  'pragma foreign_keys = on',
  'pragma temp_store = memory',
  'pragma cache_size = -16000',
  'pragma journal_size_limit = 67108864',
]

const STATEMENT_LIMIT = 256
const FIRST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 50

interface Connection {
  readonly handle: DatabaseSync
  readonly statements: Map<string, Prepared>
}

interface Prepared {
  readonly statement: StatementSync
  readonly parameters: number
}

export function createSqliteDatabase({ path, busyLimitMs = 5000 }: SqliteDatabaseOptions): Database {
  let connection: Connection | null = null
  let isClosed = false

  async function query(sql: string, values: readonly SqlValue[] = []): Promise<Row[]> {
    return attempt(sql, current => run(current, sql, values))
  }

  async function batch(statements: readonly Statement[]): Promise<Row[][]> {
    const [first] = statements
    if (first === undefined) return []
    return attempt(first.sql, current => runAll(current, statements))
  }

  async function snapshot(statements: readonly Statement[], take: TakeRows): Promise<void> {
    // What ends with the process has this one connection only, and is small.
    if (path !== ':memory:') return readSqliteSnapshot(path, statements, take)
    for (const [index, rows] of (await batch(statements)).entries())
      if (rows.length > 0) await take(rows, index)
  }

  /** Does `work`, which does all or nothing, until no other process is in its way. */
  async function attempt<Result>(sql: string, work: (current: Connection) => Result): Promise<Result> {
    const start = performance.now()
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return work(open())
      } catch (error) {
        const waitedMs = performance.now() - start
        const refusal = error instanceof Problem ? 'other' : refusalOf(error)
        if (endsConnection(refusal) || connection?.handle.isTransaction) drop()
        if (refusal !== 'busy' || waitedMs >= busyLimitMs) throw toSqliteProblem(error, path, sql, waitedMs)
      }
      // Apart from each other, so that those who wait do not all come back in the same moment.
      await sleep(pauseMs * (0.5 + Math.random()))
    }
  }

  function open(): Connection {
    if (isClosed) throw new Problem('database-broken', `Cannot use database ${path}: it is closed`, { path })
    connection ??= { handle: openFile(path), statements: new Map() }
    return connection
  }

  function drop() {
    const last = connection
    connection = null
    try {
      last?.handle.close()
    } catch {
      // It is given up because it is broken; that it cannot be closed adds nothing.
    }
  }

  async function close() {
    isClosed = true
    drop()
  }

  return { nowSql: SQLITE_NOW, query, batch, snapshot, close }
}

function openFile(path: string): DatabaseSync {
  if (path !== ':memory:') createFile(path)
  const handle = new DatabaseSync(path)
  try {
    for (const pragma of PRAGMAS) handle.prepare(pragma).all()
    const mode = String(handle.prepare('pragma journal_mode').get()?.journal_mode)
    if (mode !== 'wal' && mode !== 'memory') {
      throw new Problem(
        'database-broken',
        `Cannot use database ${path}: its file system allows no write-ahead log (${mode}). Keep it on a local disk`,
        { path },
      )
    }
    return handle
  } catch (error) {
    handle.close()
    throw error
  }
}

/** For its owner alone, since it may hold keys. The files that SQLite adds take over its permissions. */
function createFile(path: string) {
  try {
    mkdirSync(dirname(path), { recursive: true })
    // Only where there is none: closing a second descriptor would drop the locks that this process has on the file.
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return
    const reason = error instanceof Error ? error.message : String(error)
    const isFull = reason.includes('ENOSPC')
    throw new Problem(
      isFull ? 'store-full' : 'database-broken',
      `Cannot create database ${path}: ${reason}`,
      { path },
      { cause: error },
    )
  }
}

function runAll(connection: Connection, statements: readonly Statement[]): Row[][] {
  // Immediate: a transaction that begins by reading could not become a writing one while another writes.
  run(connection, 'begin immediate', [])
  try {
    const results = statements.map(({ sql, values = [] }) => run(connection, sql, values))
    run(connection, 'commit', [])
    return results
  } catch (error) {
    // SQLite has rolled back already after some errors (a full disk); then there is nothing to roll back.
    if (connection.handle.isTransaction) run(connection, 'rollback', [])
    throw error
  }
}

function run(connection: Connection, sql: string, values: readonly SqlValue[]): Row[] {
  const { statement, parameters } = prepare(connection, sql)
  // SQLite would take null for a value that is missing.
  if (values.length < parameters) {
    throw new Problem(
      'database-broken',
      `Cannot run ${shortSql(sql)}: ${parameters - values.length} values are missing`,
    )
  }
  // Rows hold texts, numbers and nulls, as the schema of the catalog has no other types.
  return statement.all(...values.map(toBound)) as Row[]
}

function prepare({ handle, statements }: Connection, sql: string): Prepared {
  const known = statements.get(sql)
  if (known !== undefined) return known
  const prepared = { statement: handle.prepare(toSqliteSql(sql)), parameters: countParameters(sql) }
  // Statements prepared before a change of the schema keep the columns that a table had then.
  const changesSchema = /^\s*(create|alter|drop)\b/i.test(sql)
  if (changesSchema || statements.size >= STATEMENT_LIMIT) statements.clear()
  statements.set(sql, prepared)
  return prepared
}
