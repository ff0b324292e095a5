// Fields of a log line as JSON text of bounded length. Whatever it is given (errors with causes, circles, getters that
// throw, megabytes), the result is the inside of a JSON object.

import { Problem } from '../model/problem.ts'
import type { LogFields } from '../ports/log.ts'

/** Bytes a line may have; log collectors cut longer ones. */
const LINE_LIMIT = 16 * 1024
/** What the fields may have of it; the rest is for the time, the level and the longest message, every character escaped. */
export const FIELDS_LIMIT = LINE_LIMIT - 4096
const STRING_LIMIT = 1800
const MSG_LIMIT = 512
const CAUSE_LIMIT = 8

/** `"a":1,"b":"x"`; fields that no longer fit are left out, which `"truncated":true` says. */
export function fieldsToJson(fields: LogFields): string {
  const parts: string[] = []
  let bytes = 0
  for (const [name, value] of entriesOf(fields)) {
    const json = toJson(value)
    if (json === undefined) continue
    const part = `${quote(name)}:${json}`
    bytes += byteLength(part) + 1
    if (bytes > FIELDS_LIMIT) {
      parts.push('"truncated":true')
      break
    }
    parts.push(part)
  }
  return parts.join(',')
}

/** A message or name as JSON text. */
export function quote(text: string): string {
  return JSON.stringify(cut(text, MSG_LIMIT))
}

function entriesOf(fields: LogFields): [string, unknown][] {
  try {
    return Object.entries(fields)
  } catch {
    return [['fields', '[unreadable]']]
  }
}

function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, readable)
  } catch {
    return '"[unreadable]"' // a circle, or a toJSON that throws
  }
}

/** Called by JSON.stringify for every value within. */
function readable(_name: string, value: unknown): unknown {
  if (typeof value === 'string') return cut(value, STRING_LIMIT)
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Error) return describeError(value)
  return value
}

function describeError(error: Error): LogFields {
  const causes = error instanceof AggregateError ? error.errors.slice(0, CAUSE_LIMIT).map(describeCause) : []
  let cause = error.cause
  while (cause !== undefined && cause !== null && causes.length < CAUSE_LIMIT) {
    causes.push(describeCause(cause))
    cause = cause instanceof Error ? cause.cause : undefined
  }
  const code = codeOf(error)
  return {
    code: code ?? error.name,
    message: error.message,
    detail: error instanceof Problem && Object.keys(error.detail).length > 0 ? error.detail : undefined,
    causes: causes.length > 0 ? causes : undefined,
    // An error without a code is a mistake of ours, and where it was made is what helps.
    stack: code === undefined ? error.stack : undefined,
  }
}

function describeCause(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const code = codeOf(cause)
  return code === undefined ? cause.message : `${code}: ${cause.message}`
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}…`
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).byteLength
}
