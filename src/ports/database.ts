// Rows. One SQL dialect: the common part of Postgres, SQLite and D1, with `$1` placeholders.

export type SqlValue = string | number | null
export type Row = Readonly<Record<string, SqlValue>>

export interface Statement {
  readonly sql: string
  readonly values?: readonly SqlValue[]
}

/** Throws `database-busy` when others held it longer than it is willing to wait, else `database-broken`. */
export interface Database {
  /** An SQL expression for the time of the database's own clock, in epoch milliseconds. */
  readonly nowSql: string
  query(sql: string, values?: readonly SqlValue[]): Promise<Row[]>
  /** All of them or none. There is no other transaction. */
  batch(statements: readonly Statement[]): Promise<Row[][]>
  /** Backing out twice is once. */
  close(): Promise<void>
}
