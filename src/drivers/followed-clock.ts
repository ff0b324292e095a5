// The time of the database, for all processes that share it: their own clocks may differ by minutes, and what one of
// them calls fresh, old or young must be so for the others.

import { toProblem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { Database } from '../ports/database.ts'
import type { Log } from '../ports/log.ts'

const PAUSE_MS = 60_000
/** Differences below that are the network's, not the clock's. */
const TOLERATED_MS = 1_000

export interface FollowedClock extends Clock {
  /** Asks the database now. While it does not answer, the difference stays what it was. */
  adjust(): Promise<void>
  /** Asks it again and again, until `signal` aborts. */
  follow(signal: AbortSignal): Promise<void>
}

export function createFollowedClock(own: Clock, database: Database, log: Log): FollowedClock {
  let aheadMs = 0

  async function adjust(): Promise<void> {
    try {
      const askedAt = own.now()
      const [row] = await database.query(`select ${database.nowSql} as now`)
      const roundTripMs = own.now() - askedAt
      const found = askedAt + roundTripMs / 2 - Number(row?.now)
      // An answer that took long says little, and a clock that jumps is worse than one that is a little off.
      if (!Number.isFinite(found) || Math.abs(found - aheadMs) <= Math.max(TOLERATED_MS, roundTripMs)) return
      aheadMs = Math.round(found)
      const by = `${Math.abs(aheadMs / 1000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'}`
      log.warn(`The clock of this machine is ${by} the database's: the database's is used`, { aheadMs })
    } catch (error) {
      log.debug(toProblem(error, 'internal', 'Cannot ask the database for the time').message)
    }
  }

  return {
    now: () => own.now() - aheadMs,
    sleep: own.sleep,
    adjust,
    async follow(signal) {
      while (!signal.aborted) {
        await own.sleep(PAUSE_MS, signal)
        if (!signal.aborted) await adjust()
      }
    },
  }
}
