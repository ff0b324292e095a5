// An origin made of sockets, so that it can misbehave in every way HTTP libraries would not let it.

import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

export interface RawRequest {
  readonly method: string
  readonly path: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
}

export interface RawOrigin {
  readonly port: number
  readonly url: string
  readonly requests: readonly RawRequest[]
  readonly sockets: ReadonlySet<Socket>
  /** How many connections were ever made. */
  readonly connections: number
  close(): Promise<void>
}

export type RawAnswer = (socket: Socket, request: RawRequest) => void

export interface RawOriginOptions {
  readonly tls?: { key: string; cert: string }
}

/** Answers each request on each connection, one after the other. */
export async function openRawOrigin(answer: RawAnswer, options: RawOriginOptions = {}): Promise<RawOrigin> {
  const requests: RawRequest[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  const listen = (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    let pending = ''
    socket.on('data', chunk => {
      pending += chunk.toString('latin1')
      for (let end = pending.indexOf('\r\n\r\n'); end >= 0; end = pending.indexOf('\r\n\r\n')) {
        const request = parseHead(pending.slice(0, end))
        pending = pending.slice(end + 4)
        requests.push(request)
        answer(socket, request)
      }
    })
  }
  const server: Server = options.tls ? createTlsServer(options.tls, listen) : createServer(listen)
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    port,
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    requests,
    sockets,
    get connections() {
      return connections
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** A whole answer as text. */
export function reply(status: number, headers: Record<string, string>, body = ''): string {
  const all = { 'content-length': String(Buffer.byteLength(body)), ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} Whatever\r\n${lines.join('')}\r\n${body}`
}

function parseHead(text: string): RawRequest {
  const [first = '', ...lines] = text.split('\r\n')
  const [method = '', path = ''] = first.split(' ')
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return { method, path, headers }
}
