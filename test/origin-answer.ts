// How the test origin answers one request: the honest way (validators, ranges, lengths) and every broken way
// that a Resource asks for.

import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { RecordedRequest, Resource } from './origin.ts'
import { type Body, bytesBody } from './pattern-body.ts'

/** Keeps answers waiting until `release`. */
export interface Hold {
  readonly after: number | null
  readonly opened: Promise<void>
  /** Settles when an answer stands at the hold. */
  readonly reached: Promise<void>
  reach(): void
  release(): void
}

interface Plan {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: Body
  /** Bytes of the body to send. */
  readonly start: number
  readonly end: number
}

/** Says whether the connection can take another request. */
export async function answer(
  socket: Socket,
  request: RecordedRequest,
  resource: Resource,
  hold: Hold | null,
): Promise<boolean> {
  if (resource.reset) return reset(socket)
  if (resource.hang) return await hang(socket)
  if (hold !== null && hold.after === null) await stop(hold)
  const plan = planOf(request, resource)
  await write(socket, printHead(plan, resource))
  if (request.method === 'HEAD' || plan.status === 304) return true
  if (!(await sendBody(socket, plan, resource, hold))) return false
  if (resource.saysLength === undefined && !resource.untilClose) return true
  socket.end()
  return false
}

function planOf(request: RecordedRequest, resource: Resource): Plan {
  const body = bodyOf(resource)
  const status = resource.status ?? (resource.redirect === undefined ? 200 : 302)
  const headers: Record<string, string> = { date: new Date().toUTCString() }
  if (resource.contentType !== undefined) headers['content-type'] = resource.contentType
  if (resource.etag !== undefined) headers.etag = resource.etag
  if (resource.lastModified !== undefined) headers['last-modified'] = resource.lastModified
  if (resource.retryAfter !== undefined) headers['retry-after'] = resource.retryAfter
  if (resource.redirect !== undefined) headers.location = resource.redirect
  if (resource.gzip) headers['content-encoding'] = 'gzip'
  if (status === 200 && !resource.noRanges) headers['accept-ranges'] = 'bytes'

  if (status === 200 && isUnchanged(request, resource)) {
    return { status: 304, headers: withExtra(headers, resource), body, start: 0, end: 0 }
  }
  const range = status === 200 ? rangeOf(request, resource, body.size) : null
  if (range === 'unsatisfiable') {
    headers['content-range'] = `bytes */${body.size}`
    headers['content-length'] = '0'
    return { status: 416, headers, body, start: 0, end: 0 }
  }
  const [start, end] = range ?? [0, body.size]
  if (range !== null) headers['content-range'] = `bytes ${start}-${end - 1}/${body.size}`
  if (resource.chunked) headers['transfer-encoding'] = 'chunked'
  else if (!resource.untilClose) headers['content-length'] = String(resource.saysLength ?? end - start)
  if (resource.untilClose || resource.saysLength !== undefined) headers.connection = 'close'
  return { status: range === null ? status : 206, headers: withExtra(headers, resource), body, start, end }
}

function bodyOf(resource: Resource): Body {
  const { body = '' } = resource
  const plain = typeof body === 'string' || body instanceof Uint8Array ? bytesBody(body) : body
  return resource.gzip ? bytesBody(gzipSync(plain.slice())) : plain
}

function isUnchanged({ method, headers }: RecordedRequest, resource: Resource): boolean {
  if (resource.noConditions || (method !== 'GET' && method !== 'HEAD')) return false
  const given = headers['if-none-match']
  if (given !== undefined) {
    const weak = (tag: string) => tag.trim().replace(/^W\//, '')
    return resource.etag !== undefined && given.split(',').map(weak).includes(weak(resource.etag))
  }
  const since = headers['if-modified-since']
  if (since === undefined || resource.lastModified === undefined) return false
  return Date.parse(resource.lastModified) <= Date.parse(since)
}

function rangeOf({ headers }: RecordedRequest, resource: Resource, size: number) {
  const match = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '')
  if (match === null || resource.noRanges) return null
  const condition = headers['if-range']
  const isCurrent = condition === undefined || [resource.etag, resource.lastModified].includes(condition)
  if (!isCurrent && !resource.noIfRange) return null
  const start = Number(match[1])
  if (start >= size) return 'unsatisfiable'
  const end = match[2] === '' ? size : Math.min(size, Number(match[2]) + 1)
  return [start, end] as const
}

function withExtra(headers: Record<string, string>, { headers: extra = {} }: Resource) {
  for (const [name, value] of Object.entries(extra)) {
    if (value === null) delete headers[name.toLowerCase()]
    else headers[name.toLowerCase()] = value
  }
  return headers
}

function printHead(plan: Plan, resource: Resource): string {
  const lines = Object.entries(plan.headers).map(([name, value]) => `${name}: ${value}`)
  for (let i = 0; i < (resource.headerFlood ?? 0); i++) lines.push(`x-flood-${i}: ${'y'.repeat(40)}`)
  return `HTTP/1.1 ${plan.status} Status\r\n${lines.join('\r\n')}\r\n\r\n`
}

/** False when the connection is spent. */
async function sendBody(socket: Socket, plan: Plan, resource: Resource, hold: Hold | null): Promise<boolean> {
  const stops = [resource.cutAt, resource.hangAfter, hold?.after].filter(at => typeof at === 'number')
  const began = Date.now()
  for (let at = plan.start; ; ) {
    if (hold !== null && at - plan.start === hold.after) await stop(hold)
    if (at - plan.start === resource.cutAt) return cut(socket, resource)
    if (at - plan.start === resource.hangAfter) return await hang(socket)
    if (at >= plan.end) break
    const next = stops.map(stop => stop + plan.start).filter(stop => stop > at)
    const piece = Math.min(plan.end, at + pieceBytes(resource.rate), ...next)
    for (const chunk of plan.body.chunks(at, piece)) await writePart(socket, chunk, resource.chunked === true)
    at = piece
    if (resource.rate !== undefined) {
      await sleep(Math.max(0, began + ((at - plan.start) / resource.rate) * 1000 - Date.now()))
    }
    if (socket.destroyed) return false
  }
  if (resource.chunked) await write(socket, '0\r\n\r\n')
  return true
}

function pieceBytes(rate: number | undefined): number {
  return rate === undefined ? 262_144 : Math.max(1, Math.min(65_536, Math.floor(rate / 50)))
}

async function writePart(socket: Socket, chunk: Uint8Array, isChunked: boolean): Promise<void> {
  if (isChunked) await write(socket, `${chunk.byteLength.toString(16)}\r\n`)
  await write(socket, chunk)
  if (isChunked) await write(socket, '\r\n')
}

async function stop(hold: Hold): Promise<void> {
  hold.reach()
  await hold.opened
}

function cut(socket: Socket, { cutWith = 'fin' }: Resource): boolean {
  if (cutWith === 'rst') return reset(socket)
  socket.end(() => socket.destroy())
  return false
}

function reset(socket: Socket): boolean {
  socket.resetAndDestroy()
  return false
}

/** Says nothing more until the other side, or the end of the test, closes. */
async function hang(socket: Socket): Promise<boolean> {
  socket.resume()
  await new Promise(resolve => socket.once('close', resolve))
  return false
}

function write(socket: Socket, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed) return reject(new Error('The connection is closed'))
    const onClose = () => reject(new Error('The connection is closed'))
    socket.once('close', onClose)
    socket.write(data, error => {
      socket.off('close', onClose)
      if (error) reject(error)
      else resolve()
    })
  })
}
