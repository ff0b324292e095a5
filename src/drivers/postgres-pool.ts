// The connections of one process to Postgres. Nobody waits for one longer than a bounded time; while the server is away
// one attempt after the other is made to reach it, by nobody's call and for all of them, and what was lost is replaced.

import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import { armDeadline } from './deadline.ts'
import type { ConnectPostgres, PostgresConnection, PostgresOptions } from './postgres-connection.ts'
import { endsConnection, isHopeless, printPlace, reasonOf } from './postgres-problems.ts'
import { openSession } from './postgres-session.ts'

export interface PostgresPool {
  readonly options: PostgresOptions
  /** Lends a connection for `work`, waiting until `deadline` for one; it is broken off when `work` takes `workMs`. */
  use<Result>(
    deadline: number,
    work: (connection: PostgresConnection) => Promise<Result>,
    workMs?: number,
  ): Promise<Result>
  /** Until when a call that is made now may wait: longer until the server was reached for the first time. */
  deadline(): number
  /** Why the server is known to be away; null while it is not. */
  outage(): string | null
  /** Somebody found it silent: what it holds is not trusted until it was reached again. */
  suspect(reason: string): void
  close(): Promise<void>
}

export interface PoolParts {
  readonly options: PostgresOptions
  readonly connect: ConnectPostgres
  readonly clock: Clock
  readonly log: Log
  /** How long the server is waited for at first. */
  readonly patienceMs?: number
}

const CALL_MS = 5_000
const PATIENCE_MS = 30_000
/** Where the server was waited for in vain, and somebody tries all the same. */
const LEAST_MS = 1_000
/** Longer than the server itself takes before it gives up: then it is silent. */
const ANSWER_MS = 5_000
const PAUSE_MS = 250
const HOPELESS_PAUSE_MS = 1_000
const REPEAT_LOG_MS = 5_000
const SILENT = 'it does not answer'

interface Waiter {
  admit(connection: PostgresConnection): void
  refuse(error: Problem): void
}

interface Outage {
  readonly since: number
  reason: string
  isHopeless: boolean
}

export function createPostgresPool(parts: PoolParts): PostgresPool {
  const { options, connect, clock, log, patienceMs = PATIENCE_MS } = parts
  const place = printPlace(options)
  const members = new Set<PostgresConnection>()
  const idle: PostgresConnection[] = []
  const waiting = new Set<Waiter>()
  const closing = new AbortController()
  let opening = 0
  let isProven = false
  let outage: Outage | null = null
  const patientUntil = clock.now() + patienceMs
  let loggedAt = 0

  async function use<Result>(
    deadline: number,
    work: (connection: PostgresConnection) => Promise<Result>,
    workMs = ANSWER_MS,
  ): Promise<Result> {
    const connection = await take(deadline)
    let isSilent = false
    const disarm = armDeadline(clock, workMs, () => {
      isSilent = true
      suspect(SILENT)
      discard(connection)
    })
    try {
      const result = await work(connection)
      give(connection)
      return result
    } catch (error) {
      if (endsConnection(error)) discard(connection)
      else give(connection)
      throw isSilent ? Object.assign(new Error(SILENT), { code: 'NO_ANSWER' }) : error
    } finally {
      disarm()
    }
  }

  function take(deadline: number): PostgresConnection | Promise<PostgresConnection> {
    if (closing.signal.aborted) throw unusable('database-broken', 'it is closed')
    if (outage?.isHopeless) throw unusable('database-broken', outage.reason)
    const connection = idle.pop()
    if (connection !== undefined) return connection
    return new Promise((resolve, reject) => {
      const disarm = armDeadline(clock, deadline - clock.now(), () => waiter.refuse(tooLate()))
      const waiter: Waiter = {
        admit(admitted) {
          leave()
          resolve(admitted)
        },
        refuse(error) {
          leave()
          reject(error)
        },
      }
      function leave() {
        waiting.delete(waiter)
        disarm()
      }
      waiting.add(waiter)
      grow()
    })
  }

  function give(connection: PostgresConnection): void {
    if (!members.has(connection)) return
    endOutage()
    const [next] = waiting
    if (next === undefined) idle.push(connection)
    else next.admit(connection)
  }

  function discard(connection: PostgresConnection): void {
    connection.destroy()
    lose(connection)
  }

  function lose(connection: PostgresConnection): void {
    members.delete(connection)
    const at = idle.indexOf(connection)
    if (at >= 0) idle.splice(at, 1)
    // At once, so that it is known whether the server is away before anybody asks for it.
    grow(members.size === 0 ? 1 : 0)
  }

  /** Opens what is wanted: a connection for each who waits; one at a time while the server is away. */
  function grow(least = 0): void {
    if (closing.signal.aborted) return
    const room = Math.max(1, options.connections) - members.size
    const wanted = outage === null ? Math.min(room, Math.max(waiting.size, least)) : 1
    while (opening < wanted) void open()
  }

  async function open(): Promise<void> {
    opening++
    try {
      let session: PostgresConnection | null = null
      let isLost = false
      const onLost = () => {
        isLost = true
        if (session !== null) lose(session)
      }
      session = await openSession(await connect(options, { onLost }), options)
      isProven = true
      if (closing.signal.aborted) await session.end()
      else if (!isLost) enter(session)
    } catch (error) {
      await fail(error)
    }
    opening--
    grow()
  }

  function enter(connection: PostgresConnection): void {
    members.add(connection)
    give(connection)
  }

  async function fail(error: unknown): Promise<void> {
    if (closing.signal.aborted) return
    // With others at hand it is short of connections, not away.
    if (members.size === 0) beginOutage(reasonOf(error, options), isHopeless(error))
    await clock.sleep(outage?.isHopeless ? HOPELESS_PAUSE_MS : PAUSE_MS, closing.signal)
  }

  function suspect(reason: string): void {
    beginOutage(reason, false)
    for (const connection of idle.splice(0)) discard(connection)
    grow()
  }

  function beginOutage(reason: string, isHopelessNow: boolean): void {
    if (outage === null || clock.now() - loggedAt >= REPEAT_LOG_MS) {
      loggedAt = clock.now()
      if (isProven) log.warn(`${place} is away: ${reason}`)
      else log.info(`Waiting for ${place}: ${reason}`)
    }
    outage ??= { since: clock.now(), reason, isHopeless: isHopelessNow }
    outage.reason = reason
    outage.isHopeless = isHopelessNow
    if (!isHopelessNow) return
    for (const waiter of [...waiting]) waiter.refuse(unusable('database-broken', reason))
  }

  function endOutage(): void {
    if (outage === null) return
    const seconds = ((clock.now() - outage.since) / 1000).toFixed(1)
    outage = null
    log.info(`${place} is there, after ${seconds} s`)
  }

  function tooLate(): Problem {
    if (outage === null) return unusable('database-busy', `all ${options.connections} connections are in use`)
    return unusable('database-busy', outage.reason)
  }

  function unusable(code: 'database-busy' | 'database-broken', reason: string): Problem {
    return new Problem(code, `Cannot use ${place}: ${reason}`, { database: place })
  }

  return {
    options,
    use,
    deadline() {
      const now = clock.now()
      const isTriedInVain = !isProven && outage !== null
      if (isProven || now >= patientUntil) return now + (isTriedInVain ? LEAST_MS : CALL_MS)
      return patientUntil
    },
    outage: () => outage?.reason ?? null,
    suspect,
    async close() {
      if (closing.signal.aborted) return
      closing.abort()
      for (const waiter of [...waiting]) waiter.refuse(unusable('database-broken', 'it is closed'))
      const all = [...members]
      members.clear()
      idle.length = 0
      await Promise.all(all.map(connection => connection.end()))
    },
  }
}
