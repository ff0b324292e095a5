// Rows. One SQL dialect: the common part of Postgres, SQLite and D1, with `$1` placeholders.

export type SqlValue = string | number | null
export type Row = Readonly<Record<string, SqlValue>>

export interface Statement {
  readonly sql: string
  readonly values?: readonly SqlValue[]
}

export interface Repeating {
  /**
   * Doing it twice is doing it once: it may be done again when its answer was lost. Only reading may be, where nothing
   * is said.
   */
  readonly isRepeatable?: boolean
}

/** Rows of the statement at `index`: one page or more, and none for a statement without rows. */
export type TakeRows = (rows: Row[], index: number) => Promise<void>

/**
 * Throws `database-busy` when it cannot be had at the moment (others held it, or it was away, longer than it is willing to
 * wait), else `database-broken`.
 */
export interface Database {
  /** An SQL expression for the time of the database's own clock, in epoch milliseconds. */
  readonly nowSql: string
  query(sql: string, values?: readonly SqlValue[], options?: Repeating): Promise<Row[]>
  /** All of them or none. There is no other transaction. */
  batch(statements: readonly Statement[], options?: Repeating): Promise<Row[][]>
  /**
   * Reads all statements as of one moment, and hands out their rows in their order, a page at a time: the next one is read
   * when `take` is done. Others go on writing meanwhile. Fails with what `take` fails with.
   */
  snapshot(statements: readonly Statement[], take: TakeRows): Promise<void>
  /** True while it is known that it does not answer. Absent where it is always at hand. */
  isAway?(): boolean
  /** Backing out twice is once. */
  close(): Promise<void>
}
