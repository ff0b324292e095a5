// Rows that were used lately, in front of a catalog: a bounded LRU. Whoever holds a row object can ask `isCurrent`
// whether it still holds: a row that was changed or dropped is another object, or gone. Where other processes change
// rows too, a row holds only as long as every change of it would be heard; when none can be, it is confirmed by the
// database each time, and while the database is away it is better than nothing.

import type { ObjectRow } from '../model/object.ts'
import { Problem } from '../model/problem.ts'
import type { Broadcast } from '../ports/broadcast.ts'
import type { Clock } from '../ports/clock.ts'
import type { Catalog } from './catalog.ts'
import { ROWS, rowId } from './news.ts'

export interface RecentOptions {
  readonly limitRows?: number
  /** By which other processes tell what they changed; null where no other process changes rows. */
  readonly broadcast: Broadcast | null
  readonly clock: Clock
}

/** How long a row is trusted, more or less: whoever changed it may have ended before it could tell. */
const TRUST_MS = 60_000
/** How long a row that has to be confirmed waits until it is asked whether the database is away. */
const PATIENCE_MS = 200

/** Reading or changing a row, during which it may be changed by others. */
interface Passage {
  isOvertaken: boolean
}

export function withRecent(catalog: Catalog, options: RecentOptions): Catalog {
  const { limitRows = 20_000, broadcast, clock } = options
  const rows = new Map<string, ObjectRow>()
  /** Until when a row holds, unless a change of it is heard; told by identity, at the least cost. */
  const trusted = new Map<ObjectRow, number>()
  const passages = new Map<string, Set<Passage>>()

  broadcast?.subscribe(
    ROWS,
    id => {
      overtake(id)
      drop(id)
    },
    () => {
      for (const id of passages.keys()) overtake(id)
      trusted.clear()
    },
  )

  function isCurrent(row: ObjectRow): boolean {
    if (broadcast === null) return trusted.has(row)
    if (catalog.isAway()) return rows.get(rowId(row.repository, row.key)) === row
    return broadcast.isConnected() && clock.now() < (trusted.get(row) ?? 0)
  }

  /** The row that is at hand from now on: the same object as before when nothing of it changed. */
  function remember(row: ObjectRow): ObjectRow {
    const id = rowId(row.repository, row.key)
    const before = rows.get(id)
    const kept = before !== undefined && isSame(before, row) ? before : row
    drop(id)
    rows.set(id, kept)
    if (broadcast === null) trusted.set(kept, Number.POSITIVE_INFINITY)
    else if (broadcast.isConnected()) trusted.set(kept, clock.now() + TRUST_MS * (0.5 + Math.random()))
    if (rows.size > limitRows) {
      const oldest = rows.keys().next()
      if (!oldest.done) drop(oldest.value)
    }
    return kept
  }

  function drop(id: string): void {
    const row = rows.get(id)
    if (row === undefined) return
    rows.delete(id)
    trusted.delete(row)
  }

  /** Does `work`; what it brings is out of date when the row was changed meanwhile. */
  async function passing<Result>(
    id: string,
    work: () => Promise<Result>,
    end: (result: Result, passage: Passage) => void,
  ): Promise<Result> {
    const passage = { isOvertaken: false }
    const beside = passages.get(id) ?? new Set()
    passages.set(id, beside.add(passage))
    try {
      const result = await work()
      end(result, passage)
      return result
    } finally {
      beside.delete(passage)
      if (beside.size === 0 && passages.get(id) === beside) passages.delete(id)
    }
  }

  function overtake(id: string, except?: Passage): void {
    for (const passage of passages.get(id) ?? []) if (passage !== except) passage.isOvertaken = true
  }

  async function look(repository: string, key: string): Promise<ObjectRow | null> {
    const id = rowId(repository, key)
    let atHand: ObjectRow | null = null
    const row = await passing(
      id,
      () => catalog.look(repository, key),
      (found, { isOvertaken }) => {
        if (isOvertaken) return
        if (found === null) drop(id)
        else atHand = remember(found)
      },
    )
    return atHand ?? row
  }

  /** A row that may have changed unheard: as the database has it, or as it is while the database is away. */
  async function confirm(row: ObjectRow): Promise<ObjectRow | null> {
    const isAtHand = () => rows.get(rowId(row.repository, row.key)) === row
    const looking = look(row.repository, row.key).catch(error => {
      if (isAtHand() && error instanceof Problem && error.code.startsWith('database-')) return row
      throw error
    })
    const done = new AbortController()
    const waiting = (async () => {
      do await clock.sleep(PATIENCE_MS, done.signal)
      while (!done.signal.aborted && !(catalog.isAway() && isAtHand()))
      return row
    })()
    try {
      return await Promise.race([looking, waiting])
    } finally {
      done.abort()
    }
  }

  /** A change by this process. `write` says whether the row is there afterwards. */
  function changing<Result>(
    row: ObjectRow,
    write: () => Promise<Result>,
    isThere: (result: Result) => boolean,
  ): Promise<Result> {
    const id = rowId(row.repository, row.key)
    overtake(id)
    drop(id)
    // When it failed, the database may still have done it.
    const attempt = () =>
      write().catch(error => {
        overtake(id)
        drop(id)
        throw error
      })
    return passing(id, attempt, (result, passage) => {
      overtake(id, passage)
      if (isThere(result) && !passage.isOvertaken) remember(row)
      else drop(id)
    })
  }

  return {
    ...catalog,
    async find(repository, key) {
      const recent = rows.get(rowId(repository, key))
      if (recent === undefined) return look(repository, key)
      if (!isCurrent(recent)) return confirm(recent)
      rows.delete(rowId(repository, key))
      rows.set(rowId(repository, key), recent)
      return recent
    },
    look,
    isCurrent,
    keep: row =>
      changing(
        row,
        () => catalog.keep(row),
        () => true,
      ),
    refresh: row =>
      changing(
        row,
        () => catalog.refresh(row),
        isThere => isThere,
      ),
    forget: row =>
      changing(
        row,
        () => catalog.forget(row),
        () => false,
      ),
  }
}

function isSame(one: ObjectRow, other: ObjectRow): boolean {
  const keys = Object.keys(one) as (keyof ObjectRow)[]
  return keys.every(key => one[key] === other[key])
}
