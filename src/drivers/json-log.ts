// The log as JSON, one object a line. Lines are gathered and written together, errors at once; nothing here throws,
// because a log that fails must not fail the request it tells of.

import type { Clock } from '../ports/clock.ts'
import type { Log, LogFields, LogLevel } from '../ports/log.ts'
import { FIELDS_LIMIT, fieldsToJson, quote } from './json-log-fields.ts'

export interface JsonLogOptions {
  /** Takes whole lines, the last one ended too. */
  write(text: string): void
  /** What is below it is left out. */
  readonly level: LogLevel
  readonly clock: Clock
  /** How long a line may wait to be written together with others; 0 where nothing may outlive a request. */
  readonly waitMs?: number
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }
const FLUSH_AT_CHARACTERS = 64 * 1024
const QUOTED_LIMIT = 256

export function createJsonLog({ write, level, clock, waitMs = 50 }: JsonLogOptions): Log {
  const lowest = RANK[level]
  const now = createTimestamp(clock)
  const quoted = new Map<string, string>()
  let buffer = ''
  let isFlushComing = false

  function log(of: LogLevel, msg: string, fields?: LogFields) {
    if (RANK[of] < lowest) return
    append(of, quote(msg), fields === undefined ? '' : fieldsToJson(fields))
    if (of === 'error') flush()
  }

  function line(msg: string, json: string) {
    if (lowest > RANK.info) return
    // A text of three times as many bytes as characters is the worst that UTF-8 can do.
    append('info', quoteOnce(msg), json.length * 3 > FIELDS_LIMIT ? fieldsToJson({ fields: json }) : json)
  }

  function append(of: LogLevel, quotedMsg: string, json: string) {
    buffer += `{"time":"${now()}","level":"${of}","msg":${quotedMsg}${json === '' ? '' : ','}${json}}\n`
    if (waitMs === 0 || buffer.length >= FLUSH_AT_CHARACTERS) flush()
    else if (!isFlushComing) flushLater()
  }

  function flushLater() {
    isFlushComing = true
    void clock.sleep(waitMs).then(() => {
      isFlushComing = false
      flush()
    })
  }

  function flush() {
    if (buffer === '') return
    const text = buffer
    buffer = ''
    try {
      write(text)
    } catch {
      // There is nowhere left to say it.
    }
  }

  /** Messages of `line` are few and come back with every request. */
  function quoteOnce(msg: string): string {
    let text = quoted.get(msg)
    if (text === undefined) {
      text = quote(msg)
      if (quoted.size < QUOTED_LIMIT) quoted.set(msg, text)
    }
    return text
  }

  return {
    debug: (msg, fields) => log('debug', msg, fields),
    info: (msg, fields) => log('info', msg, fields),
    warn: (msg, fields) => log('warn', msg, fields),
    error: (msg, fields) => log('error', msg, fields),
    line,
    flush,
  }
}

/** The time of day as text, made anew only when the millisecond has changed. */
function createTimestamp(clock: Clock): () => string {
  let at = Number.NaN
  let text = ''
  return () => {
    const now = clock.now()
    if (now !== at) {
      at = now
      text = new Date(now).toISOString()
    }
    return text
  }
}
