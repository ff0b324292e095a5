// Our SQL as Postgres needs it: texts are ordered by their bytes, as SQLite and D1 have it, whatever the collation of
// the database is.

/** Epoch milliseconds by the server's own clock, at the very moment. */
export const POSTGRES_NOW = 'cast(extract(epoch from clock_timestamp()) * 1000 as bigint)'

/** The type of a column, outside of texts, names and comments. */
const COLUMN_TYPE =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\btext\b(?=\s*(?:[,)]|$|(?:not|null|primary|references|default|check|unique)\b))/gi

export function toPostgresSql(sql: string): string {
  if (!changesTables(sql)) return sql
  return sql.replace(COLUMN_TYPE, token => (token.toLowerCase() === 'text' ? 'text collate "C"' : token))
}

/** Statements that may take long, and that no plan is kept for. */
export function changesTables(sql: string): boolean {
  return /^\s*(create|alter|drop)\b/i.test(sql)
}

/** Statements that change nothing, so that they may be done twice. */
export function isReading(sql: string): boolean {
  return /^\s*select\b/i.test(sql)
}
