// Byte ranges (RFC 9110 §14): `Range` in, the bytes to send out.

export interface ByteRange {
  readonly start: number
  /** Last byte, inclusive. */
  readonly end: number
}

/** What a `Range` header asks for before the size is known. */
export type RangeRequest =
  | { readonly start: number; readonly end: number | null }
  | { readonly suffix: number }

/** Null: no range that is understood; the whole representation is the right answer (also for several ranges). */
export function parseRange(header: string | null): RangeRequest | null {
  const match = header === null ? null : /^bytes\s*=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/i.exec(header)
  if (match === null) return null
  const [, first = '', last = ''] = match
  if (first === '') return last === '' ? null : { suffix: Number(last) }
  const start = Number(first)
  const end = last === '' ? null : Number(last)
  // RFC 9110 calls last < first invalid, to be ignored; every server users compare us with answers 416, and so do we.
  return { start, end }
}

/** The bytes of a body of `size` that were asked for, or `unsatisfiable`. */
export function resolveRange(request: RangeRequest, size: number): ByteRange | 'unsatisfiable' {
  if ('suffix' in request) {
    if (request.suffix === 0 || size === 0) return 'unsatisfiable'
    return { start: Math.max(0, size - request.suffix), end: size - 1 }
  }
  if (request.start >= size || (request.end !== null && request.end < request.start)) return 'unsatisfiable'
  return { start: request.start, end: Math.min(request.end ?? size - 1, size - 1) }
}
