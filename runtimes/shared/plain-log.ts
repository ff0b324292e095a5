// The log of a command, for the people who gave it: sentences on standard error.

import type { Log, LogFields } from '../../src/ports/log.ts'
import { writeText } from './standard-output.ts'

export function createPlainLog(level: 'info' | 'error'): Log {
  const say = (msg: string, { error }: LogFields = {}) => {
    writeText(2, error instanceof Error ? `${msg}: ${error.message}\n` : `${msg}\n`)
  }
  const sayLess = level === 'info' ? say : () => {}
  return { debug() {}, info: sayLess, warn: sayLess, error: say, line() {}, flush() {} }
}
