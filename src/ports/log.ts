// What operators read: one JSON object a line. Never a secret.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Readonly<Record<string, unknown>>

export interface Log {
  debug(msg: string, fields?: LogFields): void
  info(msg: string, fields?: LogFields): void
  warn(msg: string, fields?: LogFields): void
  error(msg: string, fields?: LogFields): void
  /** A line of level info whose fields are JSON already (`"a":1,"b":"x"`); the cheap way for one line a request. */
  line(msg: string, json: string): void
  /** Writes out what is buffered. */
  flush(): void
}
