// A log that a test can read: `level message`, one after the other.

import type { Log } from '../src/ports/log.ts'

export function listLog(logged: string[]): Log {
  const note = (level: string) => (msg: string) => void logged.push(`${level} ${msg}`)
  return {
    debug: note('debug'),
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
    line: note('info'),
    flush() {},
  }
}
