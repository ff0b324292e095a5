// An HTTP/1.1 client on a bare socket. `fetch` and `URL` tidy paths, decode bodies and hide how an answer ended;
// this one sends the request target byte by byte as given and tells exactly what came back.

import { createConnection, type Socket } from 'node:net'

export interface RawRequest {
  readonly port: number
  /** Sent as it is. */
  readonly path: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Pieces are sent one after the other, under the Content-Length that `headers` tells, else chunked. */
  readonly body?: string | Uint8Array | Iterable<Uint8Array>
  /** Fails when nothing has come for so long; default 15 s. */
  readonly timeoutMs?: number
}

export interface RawAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
  readonly text: string
  /** `clean`: the whole of what the framing promised. `aborted`: the connection ended before. */
  readonly end: 'clean' | 'aborted'
}

/** An answer whose body is taken piece by piece. */
export interface OpenAnswer {
  readonly status: number
  readonly headers: Headers
  /** Waits until at least `count` bytes of the body are there in all, or it ended. Gives all so far. */
  read(count: number): Promise<Uint8Array>
  /** Bytes of the body received so far. */
  received(): number
  /** Waits for the end. */
  finish(): Promise<RawAnswer>
  /** Takes `bytesPerSecond` from the socket from now on. */
  slow(bytesPerSecond: number): void
  /** Takes whatever comes again. */
  hurry(): void
  /** Breaks the connection off. */
  leave(): void
}

export async function rawRequest(request: RawRequest): Promise<RawAnswer> {
  return await (await openRequest(request)).finish()
}

/** Resolves when the head of the answer is there. */
export async function openRequest(request: RawRequest): Promise<OpenAnswer> {
  const connection = connect(request)
  const head = await connection.until(state => state.head)
  return {
    status: head.status,
    headers: head.headers,
    async read(count) {
      await connection.until(state => (state.size >= count || state.end !== null ? state : null))
      return join(connection.state.chunks)
    },
    received: () => connection.state.size,
    async finish() {
      const end = await connection.until(state => state.end)
      connection.socket.destroy()
      const body = join(connection.state.chunks)
      return { status: head.status, headers: head.headers, body, text: new TextDecoder().decode(body), end }
    },
    slow: bytesPerSecond => slowDown(connection.socket, bytesPerSecond),
    hurry: () => void connection.socket.resume(),
    leave: () => connection.socket.destroy(),
  }
}

interface Head {
  readonly status: number
  readonly headers: Headers
}

interface State {
  head: Head | null
  chunks: Uint8Array[]
  size: number
  end: 'clean' | 'aborted' | null
}

function connect(request: RawRequest) {
  const { timeoutMs = 15_000 } = request
  const state: State = { head: null, chunks: [], size: 0, end: null }
  const waiting = new Set<() => void>()
  const socket = createConnection({ host: '127.0.0.1', port: request.port })
  let failure: Error | null = null
  const parser = createParser(request.method ?? 'GET', state)

  const wake = () => {
    for (const check of [...waiting]) check()
  }
  const close = () => {
    if (state.head === null) failure ??= new Error(`The connection ended before an answer to ${request.path}`)
    else state.end ??= parser.endOfConnection()
    wake()
  }
  socket.setTimeout(timeoutMs, () => {
    failure = new Error(`Nothing came for ${timeoutMs} ms in answer to ${request.path}`)
    socket.destroy()
    wake()
  })
  socket.on('connect', () => send(socket, request))
  socket.on('data', chunk => {
    parser.push(chunk)
    wake()
  })
  socket.on('error', error => {
    if (state.head === null) failure ??= error
  })
  socket.on('end', close)
  socket.on('close', close)

  function until<T>(pick: (state: State) => T | null): Promise<T> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const value = pick(state)
        if (value === null && failure === null) return
        waiting.delete(check)
        if (value !== null) resolve(value)
        else reject(failure)
      }
      waiting.add(check)
      check()
    })
  }
  return { socket, state, until }
}

async function send(socket: Socket, { method = 'GET', path, headers = {}, body, port }: RawRequest) {
  const all: Record<string, string> = { host: `127.0.0.1:${port}`, connection: 'close', ...headers }
  const isWhole = typeof body === 'string' || body instanceof Uint8Array
  if (isWhole) all['content-length'] ??= String(Buffer.from(body).byteLength)
  const isChunked = body !== undefined && all['content-length'] === undefined
  if (isChunked) all['transfer-encoding'] = 'chunked'
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  await write(socket, Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'))
  if (body === undefined) return
  for (const piece of isWhole ? [Buffer.from(body)] : body) {
    if (socket.destroyed) return
    if (isChunked) await write(socket, `${piece.byteLength.toString(16)}\r\n`)
    await write(socket, piece)
    if (isChunked) await write(socket, '\r\n')
  }
  if (isChunked) await write(socket, '0\r\n\r\n')
}

/** Waits until the bytes are on their way. A server may refuse and close while it is still being sent to. */
function write(socket: Socket, data: string | Uint8Array): Promise<void> {
  return new Promise(resolve => {
    const settle = () => {
      socket.off('close', settle)
      resolve()
    }
    socket.once('close', settle)
    socket.write(data, settle)
  })
}

type Framing = { kind: 'length'; left: number } | { kind: 'chunked' } | { kind: 'close' }

function createParser(method: string, state: State) {
  let rest: Uint8Array = new Uint8Array(0)
  let framing: Framing | null = null
  let chunkLeft: number | null = null

  function push(chunk: Uint8Array) {
    rest = rest.byteLength === 0 ? new Uint8Array(chunk) : join([rest, chunk])
    if (state.head === null) readHead()
    if (framing !== null && state.end === null) readBody(framing)
  }

  function readHead() {
    const text = latin1(rest)
    const end = text.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = parseHead(text.slice(0, end))
    rest = rest.subarray(end + 4)
    if (head.status < 200) return readHead()
    state.head = head
    framing = framingOf(method, head)
    if (framing.kind === 'length' && framing.left === 0) state.end = 'clean'
  }

  function readBody(how: Framing) {
    if (how.kind === 'chunked') return readChunks()
    const taken = how.kind === 'length' ? rest.subarray(0, how.left) : rest
    keep(taken)
    rest = rest.subarray(taken.byteLength)
    if (how.kind !== 'length') return
    how.left -= taken.byteLength
    if (how.left === 0) state.end = 'clean'
  }

  function readChunks() {
    while (rest.byteLength > 0) {
      if (chunkLeft === null || chunkLeft === 0) {
        const line = latin1(rest.subarray(0, 32))
        const skip = chunkLeft === 0 ? 2 : 0
        const end = line.indexOf('\r\n', skip)
        if (end < 0) return
        const size = Number.parseInt(line.slice(skip, end), 16)
        rest = rest.subarray(end + 2)
        if (size === 0) {
          state.end = 'clean'
          return
        }
        chunkLeft = size
      }
      const taken = rest.subarray(0, chunkLeft)
      keep(taken)
      chunkLeft -= taken.byteLength
      rest = rest.subarray(taken.byteLength)
    }
  }

  function keep(bytes: Uint8Array) {
    if (bytes.byteLength === 0) return
    state.chunks.push(bytes)
    state.size += bytes.byteLength
  }

  function endOfConnection(): 'clean' | 'aborted' {
    return framing?.kind === 'close' ? 'clean' : 'aborted'
  }

  return { push, endOfConnection }
}

function parseHead(text: string): Head {
  const [line = '', ...fields] = text.split('\r\n')
  const headers = new Headers()
  for (const field of fields) {
    const colon = field.indexOf(':')
    headers.append(field.slice(0, colon), field.slice(colon + 1).trim())
  }
  return { status: Number(line.split(' ')[1]), headers }
}

function framingOf(method: string, { status, headers }: Head): Framing {
  if (method === 'HEAD' || status === 304 || status === 204) return { kind: 'length', left: 0 }
  if (/chunked/i.test(headers.get('transfer-encoding') ?? '')) return { kind: 'chunked' }
  const length = headers.get('content-length')
  return length === null ? { kind: 'close' } : { kind: 'length', left: Number(length) }
}

/** Takes a few bytes, then pauses, so that the kernel's window closes and the server feels it. */
function slowDown(socket: Socket, bytesPerSecond: number) {
  socket.pause()
  // Reading a paused socket by hand still emits `data`.
  const timer = setInterval(() => socket.read(bytesPerSecond), 1000)
  socket.on('close', () => clearInterval(timer))
}

const latin1 = (bytes: Uint8Array) => new TextDecoder('latin1').decode(bytes)

function join(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}
