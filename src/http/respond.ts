// Outcomes as answers: HEAD, Range, conditions, Cache-Status and the headers that every answer of a repository has.
// Bodies are opened last, and only when they are sent.

import { contentTypeOf } from '../model/content-type.ts'
import { printReprDigest } from '../model/digest.ts'
import type { ObjectRow, OriginHead } from '../model/object.ts'
import { type ByteRange, parseRange, resolveRange } from '../model/range.ts'
import type { Clock } from '../ports/clock.ts'
import type { Delivery } from '../ports/delivery.ts'
import type { CacheOutcome, Outcome } from '../repositories/repository.ts'
import { isNotModified, isRangeCurrent, type Validators } from './conditions.ts'

type Stored = Extract<Outcome, { kind: 'stored' }>
type Flying = Extract<Outcome, { kind: 'flying' }>
type Told = Extract<Outcome, { kind: 'told' }>

export interface Answer {
  readonly response: Response
  /** Bytes of the body, where they are known beforehand. */
  readonly bytes: number | null
}

export interface Responder {
  stored(request: Request, outcome: Stored): Answer
  /** `watch` wraps a body that streams, to see how it ends. Null: the range asked for can only be answered from the store. */
  flying(request: Request, outcome: Flying, watch: Watch): Answer | null
  told(request: Request, outcome: Told): Answer
}

export type Watch = (body: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array>

export function createResponder(parts: { delivery: Delivery; clock: Clock }): Responder {
  const { delivery, clock } = parts

  function stored(request: Request, outcome: Stored): Answer {
    const { row, blob } = outcome
    const headers = storedHeaders(row, outcome.how, clock.now())
    const validators = validatorsOf(row, headers)
    if (isNotModified(request.headers, validators)) return notModified(headers)
    const range = rangeOf(request, validators, row.size)
    if (range === 'unsatisfiable') return unsatisfiable(headers, row.size)
    const bytes = range === null ? row.size : setRange(headers, range, row.size)
    headers.set('content-length', String(bytes))
    const status = range === null ? 200 : 206
    if (request.method === 'HEAD') return { response: new Response(null, { status, headers }), bytes: 0 }
    return { response: new Response(delivery.blob(blob, range), { status, headers }), bytes }
  }

  function flying(request: Request, outcome: Flying, watch: Watch): Answer | null {
    const { head, flight, target } = outcome
    const headers = flyingHeaders(target.fileName, head, outcome.how, outcome.isKept)
    const validators = { etag: null, alias: head.etag, lastModified: head.lastModified }
    if (isNotModified(request.headers, validators)) return notModified(headers)
    const wanted =
      request.method === 'GET' && isRangeCurrent(request.headers, validators)
        ? parseRange(request.headers.get('range'))
        : null
    let range: ByteRange | null = null
    if (wanted !== null && head.size !== null) {
      const resolved = resolveRange(wanted, head.size)
      if (resolved === 'unsatisfiable') return unsatisfiable(headers, head.size)
      range = resolved
    } else if (wanted !== null) {
      // Of a body of unknown size only what has arrived can be promised.
      if ('suffix' in wanted || wanted.end === null || wanted.end >= flight.arrived) return null
      range = { start: wanted.start, end: wanted.end }
    }
    const bytes = range === null ? head.size : setRange(headers, range, head.size)
    if (bytes !== null) headers.set('content-length', String(bytes))
    const status = range === null ? 200 : 206
    if (request.method === 'HEAD') return { response: new Response(null, { status, headers }), bytes: 0 }
    const body = flight.body(range?.start, range?.end)
    if (body === null) return null
    return { response: new Response(delivery.stream(watch(body), bytes), { status, headers }), bytes: null }
  }

  function told(request: Request, outcome: Told): Answer {
    const { head, target } = outcome
    const headers = flyingHeaders(target.fileName, head, outcome.how, false)
    const validators = { etag: null, alias: head.etag, lastModified: head.lastModified }
    if (isNotModified(request.headers, validators)) return notModified(headers)
    if (head.size !== null) headers.set('content-length', String(head.size))
    return { response: new Response(null, { status: 200, headers }), bytes: 0 }
  }

  return { stored, flying, told }
}

/** Headers of a whole kept body; the hot path uses the same ones. */
export function storedHeaders(row: ObjectRow, how: CacheOutcome, now: number): Headers {
  const headers = baseHeaders(row.fileName, row)
  headers.set('x-artifact-source', how === 'miss' || how === 'collapsed' ? 'remote' : 'cache')
  headers.set('etag', `"${row.sha256}"`)
  headers.set('last-modified', row.lastModified ?? new Date(row.storedAt).toUTCString())
  headers.set('repr-digest', printReprDigest(row.sha256))
  headers.set('age', ageOf(row, now))
  headers.set('cache-status', cacheStatusOf(how, row, now))
  return headers
}

/** Of a kept body that is sent with these headers. */
export function validatorsOf(row: ObjectRow, headers: Headers): Validators {
  return { etag: headers.get('etag'), alias: row.etag, lastModified: headers.get('last-modified') }
}

export function ageOf(row: ObjectRow, now: number): string {
  return String(Math.max(0, Math.floor((now - row.checkedAt) / 1000)))
}

function flyingHeaders(fileName: string, head: OriginHead, how: CacheOutcome, isKept: boolean): Headers {
  const headers = baseHeaders(fileName, head)
  headers.set('x-artifact-source', 'remote')
  if (head.etag?.startsWith('"')) headers.set('etag', head.etag)
  if (head.lastModified !== null) headers.set('last-modified', head.lastModified)
  const kept = isKept ? '; stored' : ''
  headers.set(
    'cache-status',
    how === 'collapsed'
      ? 'artifactapi; fwd=miss; collapsed'
      : how === 'bypass'
        ? 'artifactapi; fwd=bypass'
        : `artifactapi; fwd=miss; fwd-status=200${kept}`,
  )
  return headers
}

function baseHeaders(fileName: string, head: OriginHead): Headers {
  const contentType = contentTypeOf(fileName, head.contentType)
  const headers = new Headers({
    'accept-ranges': 'bytes',
    'content-type': contentType,
    'content-disposition': dispositionOf(fileName, contentType),
    'x-content-type-options': 'nosniff',
  })
  if (head.contentEncoding !== null) headers.set('content-encoding', head.contentEncoding)
  // Pages of an origin are shown, but never with the rights of this server's own pages.
  if (contentType.startsWith('text/html')) headers.set('content-security-policy', 'sandbox')
  return headers
}

/** RFC 6266: a plain name for all, and the exact one where it is not plain. */
function dispositionOf(fileName: string, contentType: string): string {
  const kind = contentType.startsWith('text/html') ? 'inline' : 'attachment'
  const plain = fileName.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_')
  if (plain === fileName) return `${kind}; filename="${fileName}"`
  const exact = encodeURIComponent(fileName).replaceAll(
    /['()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `${kind}; filename="${plain}"; filename*=UTF-8''${exact}`
}

/** RFC 9211. */
function cacheStatusOf(how: CacheOutcome, row: ObjectRow, now: number): string {
  switch (how) {
    case 'miss':
      return 'artifactapi; fwd=miss; fwd-status=200; stored'
    case 'collapsed':
      return 'artifactapi; fwd=miss; collapsed'
    case 'stale':
      return 'artifactapi; fwd=stale; detail="origin away, copy served"'
    case 'revalidated':
      return 'artifactapi; fwd=stale; fwd-status=304'
    default:
      return row.freshUntil === null
        ? 'artifactapi; hit'
        : `artifactapi; hit; ttl=${Math.ceil((row.freshUntil - now) / 1000)}`
  }
}

function rangeOf(request: Request, validators: Validators, size: number): ByteRange | 'unsatisfiable' | null {
  if (request.method !== 'GET' || !isRangeCurrent(request.headers, validators)) return null
  const wanted = parseRange(request.headers.get('range'))
  return wanted === null ? null : resolveRange(wanted, size)
}

function setRange(headers: Headers, range: ByteRange, size: number | null): number {
  headers.set('content-range', `bytes ${range.start}-${range.end}/${size ?? '*'}`)
  return range.end - range.start + 1
}

function notModified(headers: Headers): Answer {
  for (const name of ['content-type', 'content-disposition', 'content-encoding', 'content-length'])
    headers.delete(name)
  return { response: new Response(null, { status: 304, headers }), bytes: 0 }
}

function unsatisfiable(headers: Headers, size: number): Answer {
  headers.set('content-range', `bytes */${size}`)
  headers.set('content-length', '0')
  headers.delete('content-disposition')
  return { response: new Response(null, { status: 416, headers }), bytes: 0 }
}
