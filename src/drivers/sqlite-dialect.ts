// Our SQL as SQLite and D1 spell it: `$1` becomes `?1`, outside of texts, names and comments.

import { Problem } from '../model/problem.ts'

const TOKEN = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\$(\d+)|;(?=\s*\S)/g

/** Epoch milliseconds by SQLite's own clock. */
export const SQLITE_NOW = "cast((julianday('now') - 2440587.5) * 86400000 as integer)"

export function toSqliteSql(sql: string): string {
  return sql.replace(TOKEN, (token: string, number: string | undefined) => {
    // SQLite would run the first statement and leave out the rest without a word.
    if (token === ';')
      throw new Problem('database-broken', `Cannot run more than one statement: ${shortSql(sql)}`)
    return number === undefined ? token : `?${number}`
  })
}

/** How many values a statement wants. */
export function countParameters(sql: string): number {
  let count = 0
  for (const [, number] of sql.matchAll(TOKEN)) count = Math.max(count, Number(number ?? 0))
  return count
}

/** A statement for a message. Values are parameters, so there is nothing secret in it. */
export function shortSql(sql: string): string {
  const line = sql.replace(/\s+/g, ' ').trim()
  return line.length <= 160 ? line : `${line.slice(0, 160)}…`
}
