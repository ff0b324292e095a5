// A connection to Postgres over the sockets of the platform, dressed as the socket of Node that the client package takes.
// It is encrypted before the package sees it. The platform checks certificates always, so `require` is `verify-full` here.

import { connect } from 'cloudflare:sockets'
import { Buffer } from 'node:buffer'
import type { ConnectPostgres, PostgresOptions } from '../../src/drivers/postgres-connection.ts'
import { coded, openPostgresClient, type PostgresSocket } from '../shared/postgres-client.ts'
import { readWide } from './wide-reads.ts'

const DIAL_MS = 3_000
/** https://www.postgresql.org/docs/current/protocol-message-formats.html, SSLRequest */
const TLS_REQUEST = new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47])
const TLS_ACCEPTED = 'S'.charCodeAt(0)

export const connectPostgres: ConnectPostgres = async (options, hooks) => {
  const dialling = dial(options)
  const { promise: tooLate, reject } = Promise.withResolvers<never>()
  const giveUp = () => reject(coded('ETIMEDOUT', `no connection within ${DIAL_MS / 1000} s`))
  const timer = setTimeout(giveUp, DIAL_MS)
  try {
    const socket = await Promise.race([dialling, tooLate])
    return openPostgresClient(options, hooks, toNodeSocket(socket), false)
  } catch (error) {
    dialling.then(socket => socket.close()).catch(() => {})
    throw error
  } finally {
    clearTimeout(timer)
  }
}

async function dial({ host, port, tls }: PostgresOptions): Promise<Socket> {
  const isPlain = tls === 'disable'
  const address = { hostname: host, port }
  try {
    const socket = connect(address, { secureTransport: isPlain ? 'off' : 'starttls', allowHalfOpen: false })
    await socket.opened
    return isPlain ? socket : await encrypt(socket)
  } catch (error) {
    // The platform has no codes, and says the same of a port where nobody listens and of a host that is not there.
    if (error instanceof Error && 'code' in error) throw error
    throw coded('ECONNREFUSED', error instanceof Error ? error.message : String(error))
  }
}

async function encrypt(socket: Socket): Promise<Socket> {
  const writer = socket.writable.getWriter()
  const reader = socket.readable.getReader()
  await writer.write(TLS_REQUEST)
  const { value } = await reader.read()
  writer.releaseLock()
  reader.releaseLock()
  if (value?.[0] !== TLS_ACCEPTED) {
    await socket.close()
    throw coded('ERR_TLS_REFUSED', 'the server has no TLS')
  }
  try {
    const encrypted = socket.startTls()
    await encrypted.opened
    return encrypted
  } catch (error) {
    throw coded('ERR_TLS_UNTRUSTED', error instanceof Error ? error.message : String(error))
  }
}

type Listener = (value?: unknown) => void

/** What the package uses of one: writing, ending, and the events `data`, `error` and `close`. */
interface NodeSocket extends PostgresSocket {
  readyState: 'open' | 'closed'
  on(event: string, listener: Listener): void
  once(event: string, listener: Listener): void
  removeListener(event: string, listener: Listener): void
  removeAllListeners(): void
  write(bytes: Uint8Array, written?: Listener): boolean
  end(bytes?: Uint8Array): void
}

function toNodeSocket(socket: Socket): NodeSocket {
  const listeners = new Map<string, Listener[]>()
  const writer: WritableStreamDefaultWriter<Uint8Array> = socket.writable.getWriter()
  const reader = readWide(socket.readable, 'ready')

  function emit(event: string, value?: unknown): void {
    for (const listener of [...(listeners.get(event) ?? [])]) listener(value)
  }

  function close(error?: unknown): void {
    if (dressed.readyState === 'closed') return
    dressed.readyState = 'closed'
    socket.close().catch(() => {})
    if (error !== undefined) emit('error', coded('ECONNRESET', reasonOf(error)))
    emit('close', error !== undefined)
  }

  async function read(): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done || value === undefined) return close()
        emit('data', Buffer.from(value.buffer, value.byteOffset, value.byteLength))
      }
    } catch (error) {
      close(error)
    }
  }

  const dressed: NodeSocket = {
    readyState: 'open',
    on(event, listener) {
      listeners.set(event, [...(listeners.get(event) ?? []), listener])
    },
    once(event, listener) {
      const single: Listener = value => {
        dressed.removeListener(event, single)
        listener(value)
      }
      dressed.on(event, single)
    },
    removeListener(event, listener) {
      const rest = (listeners.get(event) ?? []).filter(each => each !== listener)
      listeners.set(event, rest)
    },
    removeAllListeners: () => listeners.clear(),
    write(bytes, written) {
      writer.write(bytes).then(() => written?.(), close)
      return true
    },
    end(bytes) {
      const last = bytes === undefined ? Promise.resolve() : writer.write(bytes)
      last.then(() => close(), close)
    },
    // As Node does it: whoever destroys it hears of the end afterwards.
    destroy: () => queueMicrotask(() => close()),
  }
  void read()
  return dressed
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
