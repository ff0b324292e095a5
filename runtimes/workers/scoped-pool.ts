// The connection to Postgres of one request, or of one Durable Object: none of another may ever be used. It is made when
// it is first needed, lent to one at a time, and given up when its scope is over, or when nobody needed it for a while.

import { armDeadline } from '../../src/drivers/deadline.ts'
import type {
  ConnectionHooks,
  PostgresConnection,
  PostgresOptions,
} from '../../src/drivers/postgres-connection.ts'
import type { PostgresPool } from '../../src/drivers/postgres-pool.ts'
import { endsConnection, isHopeless, printPlace, reasonOf } from '../../src/drivers/postgres-problems.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'

const CALL_MS = 5_000
const ANSWER_MS = 5_000
/** After a vain attempt all fail at once for so long: connecting in vain costs each of them three seconds. */
const PAUSE_MS = 1_000
const REPEAT_LOG_MS = 5_000

/** What the scopes of an isolate know of the server: plain data, which all may share. */
export interface Outage {
  failure: Problem | null
  until: number
  loggedAt: number
}

export interface ScopedPoolParts {
  readonly options: PostgresOptions
  /** A connection that is ready for our tables. */
  readonly open: (hooks: ConnectionHooks) => Promise<PostgresConnection>
  readonly clock: Clock
  readonly log: Log
  readonly outage: Outage
  /** Keeps the scope alive for `work`. */
  readonly waitUntil: (work: Promise<unknown>) => void
  /** How long it is kept for the next one; null = until `close`. */
  readonly lingerMs: number | null
}

export function newOutage(): Outage {
  return { failure: null, until: 0, loggedAt: Number.NEGATIVE_INFINITY }
}

export function createScopedPool(parts: ScopedPoolParts): PostgresPool {
  const { options, clock, log, outage, waitUntil, lingerMs } = parts
  const place = printPlace(options)
  const waiting = new Set<() => void>()
  let session: PostgresConnection | null = null
  let isLent = false
  let isOver = false
  let resting = new AbortController()

  async function use<Result>(
    deadline: number,
    work: (connection: PostgresConnection) => Promise<Result>,
    workMs = ANSWER_MS,
  ): Promise<Result> {
    await take(deadline)
    try {
      session ??= await connect()
      return await lend(session, work, workMs)
    } finally {
      giveBack()
    }
  }

  function take(deadline: number): Promise<void> | undefined {
    resting.abort()
    if (!isLent) {
      isLent = true
      return undefined
    }
    return new Promise((resolve, reject) => {
      const disarm = armDeadline(clock, deadline - clock.now(), () => {
        waiting.delete(admit)
        reject(new Problem('database-busy', `Cannot use ${place}: this request uses it already`))
      })
      function admit() {
        disarm()
        resolve()
      }
      waiting.add(admit)
    })
  }

  function giveBack(): void {
    const [next] = waiting
    isLent = next !== undefined
    if (next !== undefined) {
      waiting.delete(next)
      next()
    } else if (isOver) {
      waitUntil(end())
    } else if (lingerMs !== null && session !== null) {
      void endLater(lingerMs)
    }
  }

  async function endLater(ms: number): Promise<void> {
    resting = new AbortController()
    const { signal } = resting
    await clock.sleep(ms, signal)
    if (!signal.aborted && !isLent) await end()
  }

  async function end(): Promise<void> {
    const ending = session
    session = null
    await ending?.end()
  }

  async function lend<Result>(
    connection: PostgresConnection,
    work: (connection: PostgresConnection) => Promise<Result>,
    workMs: number,
  ): Promise<Result> {
    let isSilent = false
    const disarm = armDeadline(clock, workMs, () => {
      isSilent = true
      discard(connection)
    })
    try {
      return await work(connection)
    } catch (error) {
      if (endsConnection(error)) discard(connection)
      throw isSilent ? Object.assign(new Error('it does not answer'), { code: 'NO_ANSWER' }) : error
    } finally {
      disarm()
    }
  }

  function discard(connection: PostgresConnection): void {
    connection.destroy()
    forget(connection)
  }

  function forget(connection: PostgresConnection | null): void {
    if (session === connection) session = null
  }

  async function connect(): Promise<PostgresConnection> {
    if (outage.failure !== null && clock.now() < outage.until) throw outage.failure
    let opened: PostgresConnection | null = null
    let isLost = false
    const onLost = () => {
      isLost = true
      if (opened !== null) forget(opened)
    }
    try {
      opened = await parts.open({ onLost })
    } catch (error) {
      throw begin(error)
    }
    if (outage.failure !== null) log.info(`${place} is there`)
    outage.failure = null
    if (isLost) throw Object.assign(new Error('the connection was lost'), { code: 'CONNECTION_CLOSED' })
    return opened
  }

  function begin(error: unknown): Problem {
    const now = clock.now()
    const failure = error instanceof Problem ? error : unusable(error)
    if (outage.failure === null || now - outage.loggedAt >= REPEAT_LOG_MS) {
      outage.loggedAt = now
      log.warn(failure.message)
    }
    outage.failure = failure
    outage.until = now + PAUSE_MS
    return failure
  }

  function unusable(error: unknown): Problem {
    const code = isHopeless(error) ? 'database-broken' : 'database-busy'
    const text = `Cannot use ${place}: ${reasonOf(error, options)}`
    return new Problem(code, text, { database: place }, { cause: error })
  }

  return {
    options,
    use,
    deadline: () => clock.now() + CALL_MS,
    outage: () => (outage.failure !== null && clock.now() < outage.until ? outage.failure.message : null),
    suspect() {
      if (session !== null) discard(session)
    },
    async close() {
      isOver = true
      resting.abort()
      if (!isLent) await end()
    },
  }
}
