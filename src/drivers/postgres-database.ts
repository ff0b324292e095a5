// Rows in Postgres.

export interface PostgresOptions {
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
