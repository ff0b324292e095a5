// What a connection to Postgres is to the drivers: opened once, used by one at a time, gone when it is lost. Sockets and
// the client library are the runtime's.

import type { Row, SqlValue } from '../ports/database.ts'

export interface PostgresOptions {
  /** A name, an address, or the directory of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password?: string
  readonly database: string
  /** Where our own tables are; others are never touched. */
  readonly schema: string
  /** `require`: encrypted, whoever answers. `verify-full`: certificate and name are checked. */
  readonly tls: 'disable' | 'require' | 'verify-full'
  /** PEM text of an authority trusted besides the usual ones. */
  readonly ca?: string
  /** How many connections this process may hold. */
  readonly connections: number
}

export interface PostgresConnection {
  /**
   * Runs one statement. What is given without waiting is sent without waiting, and done in its order. With `isKept` the
   * server keeps the plan for the next time: for a closed set of statements only.
   */
  run(sql: string, values?: readonly SqlValue[], isKept?: boolean): Promise<Row[]>
  /** Breaks it off: what is running fails, `onLost` is called. */
  destroy(): void
  /** When nothing is running. `onLost` is not called. Never fails. */
  end(): Promise<void>
}

export interface ConnectionHooks {
  /** Once, when it is lost. What was running fails after this. */
  onLost?(): void
  /** For `listen`: what others notified. */
  onNotification?(payload: string): void
}

/** Connects within three seconds, or fails with the error of the system. The password is first asked for when it is used. */
export type ConnectPostgres = (
  options: PostgresOptions,
  hooks: ConnectionHooks,
) => Promise<PostgresConnection>
