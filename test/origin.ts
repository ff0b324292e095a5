// The origin that tests put behind the cache: a small HTTP/1.1 server on a raw socket, so that it can answer
// exactly as told, including everything a server must not do. It records every request it sees.

import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { answer, type Hold } from './origin-answer.ts'
import { type Body, bytesBody, pattern, sha256Of } from './pattern-body.ts'

export { type Body, bytesBody, pattern, sha256Of }

/** What a path answers with. Only `body` or `status` is usual; the rest are headers and faults. */
export interface Resource {
  readonly body?: Body | string | Uint8Array
  readonly status?: number
  readonly contentType?: string
  /** Sent as given, with its quotes. Also what conditional and range requests are decided by. */
  readonly etag?: string
  readonly lastModified?: string
  /** Further headers; they win over all others. Null leaves a header out. */
  readonly headers?: Readonly<Record<string, string | null>>
  readonly retryAfter?: string
  /** A `Location`; the status is 302 unless given. */
  readonly redirect?: string
  /** Ignores `Range`, and says so by not offering it. */
  readonly noRanges?: boolean
  /** Answers `Range` whatever `If-Range` says. */
  readonly noIfRange?: boolean
  /** Ignores `If-None-Match` and `If-Modified-Since`. */
  readonly noConditions?: boolean
  /** No Content-Length: a chunked body. */
  readonly chunked?: boolean
  /** No Content-Length and no chunks: the body ends with the connection. */
  readonly untilClose?: boolean
  /** Bytes a second. */
  readonly rate?: number
  /** The body is sent gzip-encoded, whether asked for or not. */
  readonly gzip?: boolean

  /** A Content-Length that is not true; the connection ends after the body. */
  readonly saysLength?: number
  /** The connection is destroyed after so many bytes of the body. */
  readonly cutAt?: number
  /** How it is cut: `fin` (default) ends the connection in order, `rst` resets it. */
  readonly cutWith?: 'fin' | 'rst'
  /** The connection is reset instead of any answer. */
  readonly reset?: boolean
  /** The request is read and never answered. */
  readonly hang?: boolean
  /** Nothing comes any more after so many bytes of the body. */
  readonly hangAfter?: number
  /** So many further header lines. */
  readonly headerFlood?: number
}

export interface RecordedRequest {
  readonly method: string
  /** The request target exactly as received. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly at: number
}

export interface Origin {
  readonly url: string
  readonly port: number
  /** Everything asked for so far. `forget` empties it. */
  readonly requests: readonly RecordedRequest[]
  /**
   * What a path (with its query) answers. With several resources each request but HEAD takes the next one and
   * the last one stays. What was never set is a 404.
   */
  set(path: string, ...resources: readonly Resource[]): void
  unset(path: string): void
  /** How many requests of this method a path has seen. */
  gets(path: string): number
  heads(path: string): number
  /** The requests of a path, in order. */
  seen(path: string): RecordedRequest[]
  /** Resolves when a path has seen `count` GETs. */
  requested(path: string, count?: number): Promise<void>
  forget(): void
  /** Stops the answers of a path after `after` bytes of the body (null: before the headers) until released. */
  hold(path: string, after?: number | null): Hold
  /** Connections that are open now. */
  connections(): number
  /** Refuses connections, and breaks those that are open. */
  down(): Promise<void>
  /** Listens again, at the same port. */
  up(): Promise<void>
  close(): Promise<void>
}

export async function startOrigin(): Promise<Origin> {
  const resources = new Map<string, Resource[]>()
  const holds = new Map<string, Hold>()
  const sockets = new Set<Socket>()
  const requests: RecordedRequest[] = []
  let server = await listen(0, accept)
  const { port } = server.address() as { port: number } // a TCP server has an AddressInfo

  function accept(socket: Socket) {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    serve(socket).catch(() => socket.destroy())
  }

  async function serve(socket: Socket) {
    for await (const request of requestsOf(socket)) {
      requests.push(request)
      const resource = next(request)
      const isReusable = await answer(socket, request, resource, holds.get(request.path) ?? null)
      if (!isReusable) return
    }
  }

  function next(request: RecordedRequest): Resource {
    const queue = resources.get(request.path)
    const first = queue?.[0] ?? { status: 404, body: 'no such file\n', contentType: 'text/plain' }
    if (queue !== undefined && queue.length > 1 && request.method !== 'HEAD') queue.shift()
    return first
  }

  const seen = (path: string) => requests.filter(request => request.path === path)
  const count = (path: string, method: string) => seen(path).filter(it => it.method === method).length

  async function down() {
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    for (const socket of sockets) socket.destroy()
    await closed
  }

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    set: (path, ...given) => void resources.set(path, [...given]),
    unset: path => void resources.delete(path),
    gets: path => count(path, 'GET'),
    heads: path => count(path, 'HEAD'),
    seen,
    async requested(path, times = 1) {
      for (let i = 0; count(path, 'GET') < times; i++) {
        if (i > 2000) throw new Error(`The origin saw ${count(path, 'GET')} GETs of ${path}, not ${times}`)
        await sleep(5)
      }
    },
    forget: () => void requests.splice(0),
    hold(path, after = 0) {
      const hold = createHold(after, () => holds.delete(path))
      holds.set(path, hold)
      return hold
    },
    connections: () => sockets.size,
    down,
    async up() {
      server = await listen(port, accept)
    },
    async close() {
      for (const hold of holds.values()) hold.release()
      if (server.listening) await down()
    },
  }
}

function createHold(after: number | null, forget: () => void): Hold {
  const gate = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  return {
    after,
    opened: gate.promise,
    reached: reached.promise,
    reach: reached.resolve,
    release() {
      forget()
      gate.resolve()
    },
  }
}

async function listen(port: number, accept: (socket: Socket) => void): Promise<Server> {
  const server = createServer(accept)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return server
}

/** Requests of a connection, one at a time. None of them may have a body: a cache has no reason to send one. */
async function* requestsOf(socket: Socket): AsyncGenerator<RecordedRequest> {
  let text = ''
  for (;;) {
    const end = text.indexOf('\r\n\r\n')
    if (end >= 0) {
      yield parseRequest(text.slice(0, end))
      text = text.slice(end + 4)
      continue
    }
    const chunk = await read(socket)
    if (chunk === null) return
    text += chunk
  }
}

function read(socket: Socket): Promise<string | null> {
  return new Promise(resolve => {
    const settle = (value: string | null) => {
      socket.off('data', onData).off('close', onClose).off('end', onClose)
      socket.pause()
      resolve(value)
    }
    const onData = (chunk: Uint8Array) => settle(new TextDecoder('latin1').decode(chunk))
    const onClose = () => settle(null)
    if (socket.destroyed || socket.readableEnded) return resolve(null)
    socket.on('data', onData).on('close', onClose).on('end', onClose)
    socket.resume()
  })
}

function parseRequest(head: string): RecordedRequest {
  const [line = '', ...fields] = head.split('\r\n')
  const [method = '', path = ''] = line.split(' ')
  const headers: Record<string, string> = {}
  for (const field of fields) {
    const colon = field.indexOf(':')
    headers[field.slice(0, colon).toLowerCase()] = field.slice(colon + 1).trim()
  }
  return { method, path, headers, at: Date.now() }
}
