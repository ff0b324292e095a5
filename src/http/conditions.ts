// Conditional requests (RFC 9110 §13): does the client have it already, and is its range still of the same bytes.

export interface Validators {
  /** The tag we send, quoted. Null while the bytes are on their way. */
  readonly etag: string | null
  /** The origin's own tag, which clients that came before us may hold. */
  readonly alias: string | null
  readonly lastModified: string | null
}

export function isNotModified(headers: Headers, validators: Validators): boolean {
  const tags = headers.get('if-none-match')
  if (tags !== null) {
    if (tags.trim() === '*') return true
    const known = [validators.etag, validators.alias].filter(tag => tag !== null).map(opaque)
    return tags.split(',').some(tag => known.includes(opaque(tag.trim())))
  }
  const since = headers.get('if-modified-since')
  if (since === null || validators.lastModified === null) return false
  const asked = Date.parse(since)
  const ours = Date.parse(validators.lastModified)
  return !Number.isNaN(asked) && !Number.isNaN(ours) && ours <= asked
}

/** True when a `Range` may be answered: there is no `If-Range`, or it names the bytes we have. */
export function isRangeCurrent(headers: Headers, validators: Validators): boolean {
  const condition = headers.get('if-range')?.trim()
  if (condition === undefined) return true
  if (condition.startsWith('"')) return condition === validators.etag || condition === validators.alias
  if (condition.startsWith('W/')) return false
  return validators.lastModified !== null && Date.parse(condition) === Date.parse(validators.lastModified)
}

function opaque(tag: string): string {
  return tag.startsWith('W/') ? tag.slice(2) : tag
}
