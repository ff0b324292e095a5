// Leases as rows of the database that all processes share, by the clock of the database: that of the processes may be
// wrong by minutes. One statement for each call, so that two processes never both win.

import type { Database } from '../ports/database.ts'
import type { HeldLease, Lease } from '../ports/lease.ts'

/** How long a row stays after its lease is over, so that the tokens of its name go on growing whatever the clock does. */
const KEEP_MS = 120_000
/** Rows that are over are looked for now and then, some at a time: names come once and never again. */
const SWEEP_EVERY = 256
const SWEEP_ROWS = 1_000

const REPEATABLE = { isRepeatable: true }

export function createDatabaseLease(database: Database): Lease {
  const sql = statementsFor(database.nowSql)
  let acquisitions = 0

  async function acquire(name: string, ttlSeconds: number, note = ''): Promise<HeldLease | null> {
    if (++acquisitions % SWEEP_EVERY === 0) await sweep()
    // Who asks again because the answer was lost is told what it was.
    const holder = crypto.randomUUID()
    const [row] = await database.query(sql.acquire, [name, toMs(ttlSeconds), note, holder], REPEATABLE)
    return row === undefined ? null : hold(name, Number(row.token), holder)
  }

  function hold(name: string, token: number, holder: string): HeldLease {
    return {
      token,
      async renew(ttlSeconds) {
        const rows = await database.query(sql.renew, [name, toMs(ttlSeconds), holder], REPEATABLE)
        return rows.length > 0
      },
      async release() {
        await database.query(sql.release, [name, holder], REPEATABLE)
      },
    }
  }

  async function sweep(): Promise<void> {
    // Nobody's call fails because of what others left behind.
    await database.query(sql.sweep, [KEEP_MS, SWEEP_ROWS], REPEATABLE).catch(() => {})
  }

  return {
    acquire,
    async holder(name) {
      const [row] = await database.query(sql.holder, [name])
      return row === undefined ? null : { token: Number(row.token), note: String(row.note) }
    },
  }
}

function statementsFor(now: string) {
  return {
    /** Tokens are times, so they grow also when a row was swept. */
    acquire: `insert into leases (name, token, note, expires_at, holder) values ($1, ${now}, $3, ${now} + $2, $4)
      on conflict (name) do update set
        token = case when leases.holder = excluded.holder then leases.token
          when leases.token >= excluded.token then leases.token + 1 else excluded.token end,
        note = excluded.note, expires_at = excluded.expires_at, holder = excluded.holder
      where leases.expires_at <= ${now} or leases.holder = excluded.holder
      returning token`,
    renew: `update leases set expires_at = ${now} + $2 where name = $1 and holder = $3 and expires_at > ${now}
      returning token`,
    release: 'update leases set expires_at = 0 where name = $1 and holder = $2',
    holder: `select token, note from leases where name = $1 and expires_at > ${now}`,
    sweep: `delete from leases where name in (
        select name from leases where expires_at < ${now} - $1 and token < ${now} - $1 limit $2
      ) and expires_at < ${now} - $1`,
  }
}

function toMs(seconds: number): number {
  return Math.ceil(seconds * 1000)
}
