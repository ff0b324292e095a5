// Batches, one after the other: in the whole cluster, by a lock that every transaction takes first, because the books
// on sizes are written by statements that must not run side by side; and in this process, so that those who wait for
// the lock do not hold the connections that others read with. What waits is written together, in one transaction: the
// more there is to write, the less each of it costs.

import type { Problem } from '../model/problem.ts'
import type { Repeating, Row, Statement } from '../ports/database.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import { changesTables, isReading } from './postgres-dialect.ts'
import type { PostgresPool } from './postgres-pool.ts'
import { failureOf, toPostgresProblem } from './postgres-problems.ts'
import { mayRetry, runStatement, workMsOf } from './postgres-statements.ts'

/** Of all batches that are written together. */
const GROUP_STATEMENTS = 500

/** The first of the two keys of the lock: `arti`. */
const LOCK_CLASS = 0x61727469

interface Job {
  readonly statements: readonly Statement[]
  readonly isRepeatable: boolean
  readonly deadline: number
  /** Written by itself: tables change, or it failed together with others. */
  isAlone: boolean
  isSecondTry: boolean
  resolve(rows: Row[][]): void
  reject(problem: Problem): void
}

export interface PostgresWriter {
  batch(statements: readonly Statement[], options?: Repeating): Promise<Row[][]>
}

export function createPostgresWriter(
  pool: PostgresPool,
  pauseBeforeRetry: () => Promise<void>,
): PostgresWriter {
  const jobs: Job[] = []
  const lockKey = hashOf(pool.options.schema)
  let isWriting = false

  async function batch(
    statements: readonly Statement[],
    { isRepeatable = statements.every(({ sql }) => isReading(sql)) }: Repeating = {},
  ): Promise<Row[][]> {
    if (statements.length === 0) return []
    const isAlone = !isRepeatable || changes(statements)
    return new Promise((resolve, reject) => {
      const deadline = pool.deadline()
      jobs.push({ statements, isRepeatable, deadline, isAlone, isSecondTry: false, resolve, reject })
      if (!isWriting) void write()
    })
  }

  async function write(): Promise<void> {
    isWriting = true
    for (let first = jobs[0]; first !== undefined; first = jobs[0]) await writeFrom(first)
    isWriting = false
  }

  /** Whatever waits when a connection is at hand; while there is none, each job waits for as long as it may. */
  async function writeFrom(first: Job): Promise<void> {
    let group: Job[] = []
    try {
      const workMs = workMsOf(first.statements.find(({ sql }) => changesTables(sql))?.sql ?? '')
      const work = async (connection: PostgresConnection) => {
        group = takeGroup()
        return await transact(
          connection,
          group.flatMap(job => job.statements),
          lockKey,
        )
      }
      const rows = await pool.use(first.deadline, work, workMs)
      for (const job of group) job.resolve(rows.splice(0, job.statements.length))
    } catch (error) {
      await giveBack(group.length === 0 ? jobs.splice(0, 1) : group, error)
    }
  }

  function takeGroup(): Job[] {
    let count = 0
    let size = 0
    for (const job of jobs) {
      size += job.statements.length
      if (count > 0 && (job.isAlone || size > GROUP_STATEMENTS)) break
      count++
      if (job.isAlone) break
    }
    return jobs.splice(0, count)
  }

  async function giveBack(group: Job[], error: unknown): Promise<void> {
    const isRefused = failureOf(error) === 'refused'
    const again = group.filter(job => {
      if (isRefused && group.length > 1) {
        job.isAlone = true
        return true
      }
      const isAgain = !job.isSecondTry && mayRetry(error, job.isRepeatable)
      job.isSecondTry = true
      if (!isAgain) job.reject(toPostgresProblem(error, pool.options, job.statements[0]?.sql ?? ''))
      return isAgain
    })
    jobs.unshift(...again)
    if (again.length > 0 && !isRefused) await pauseBeforeRetry()
  }

  return { batch }
}

/** All or nothing, each statement sent without waiting for the one before it. */
async function transact(
  connection: PostgresConnection,
  statements: readonly Statement[],
  lockKey: number,
): Promise<Row[][]> {
  const first = [connection.run('begin isolation level read committed', [], true)]
  if (changes(statements)) first.push(connection.run('set local statement_timeout = 0'))
  first.push(connection.run('select pg_advisory_xact_lock($1, $2)', [LOCK_CLASS, lockKey], true))
  const running = [...first, ...statements.map(({ sql, values }) => runStatement(connection, sql, values))]
  const settled = await Promise.allSettled(running)
  // The first failure is the cause of all after it.
  const failed = settled.find(each => each.status === 'rejected')
  if (failed !== undefined) {
    await connection.run('rollback', [], true).catch(() => {})
    throw failed.reason
  }
  await connection.run('commit', [], true)
  return settled.slice(first.length).map(each => (each.status === 'fulfilled' ? each.value : []))
}

function changes(statements: readonly Statement[]): boolean {
  return statements.some(({ sql }) => changesTables(sql))
}

/** FNV-1a, as a signed number of 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash | 0
}
