// A session of the `postgres` package, and its only door. It gets one socket and never another. Left to itself the package
// connects again, with what the lost connection had not sent yet still in its hands: the new one then waits for ever, or
// runs the rest of a transaction outside of it.

import postgres from 'postgres'
import type {
  ConnectionHooks,
  PostgresConnection,
  PostgresOptions,
} from '../../src/drivers/postgres-connection.ts'
import type { Row, SqlValue } from '../../src/ports/database.ts'

const HANDSHAKE_SECONDS = 3
const END_SECONDS = 1

/** What the package makes use of besides: `write`, `end`, and the events of a socket of Node. */
export interface PostgresSocket {
  destroy(): void
}

/** `tls`: how the package is to encrypt the socket; false when it is not, or is already. */
export function openPostgresClient(
  options: PostgresOptions,
  hooks: ConnectionHooks,
  socket: PostgresSocket,
  tls: object | false,
): PostgresConnection {
  const running = new Set<(error: Error) => void>()
  let isTaken = false
  let ended: Error | null = null

  function lose(): void {
    if (ended !== null) return
    ended = closed()
    socket.destroy()
    hooks.onLost?.()
    // Whatever the package knows better about the failure of what was running, it tells first.
    queueMicrotask(() => {
      for (const fail of running) fail(closed())
    })
  }

  const settings = {
    host: [options.host],
    port: [options.port],
    user: options.user,
    password: options.password,
    database: options.database,
    ssl: tls,
    max: 1,
    max_pipeline: 10_000,
    connect_timeout: HANDSHAKE_SECONDS,
    idle_timeout: null,
    max_lifetime: null,
    fetch_types: false,
    debug: false,
    types: TYPES,
    connection: { application_name: 'artifactapi' },
    onnotice() {},
    onnotify: (_channel: string, payload: string) => hooks.onNotification?.(payload),
    onclose: lose,
    socket() {
      if (isTaken) throw closed()
      isTaken = true
      return socket
    },
  }
  // The types of the package leave out the socket and the notifications, and that there may be several hosts.
  const client = postgres(settings as unknown as postgres.Options<typeof TYPES>)

  function run(sql: string, values: readonly SqlValue[] = [], isKept = false): Promise<Row[]> {
    if (ended !== null) return Promise.reject(ended)
    return new Promise((resolve, reject) => {
      running.add(reject)
      client.unsafe(sql, [...values], { prepare: isKept, ...EXTENDED }).then(
        rows => {
          running.delete(reject)
          // Texts, numbers and nulls, as the schema of the catalog has no other types.
          resolve([...rows] as Row[])
        },
        error => {
          running.delete(reject)
          reject(error)
        },
      )
    })
  }

  return {
    run,
    destroy: lose,
    async end() {
      if (ended !== null) return
      ended = closed()
      await client.end({ timeout: END_SECONDS }).catch(() => {})
      socket.destroy()
    },
  }
}

/** With parameters or without: never several statements in one. The types of the package leave it out. */
const EXTENDED: object = { simple: false }

/** Texts as texts, all numbers as numbers: what a number cannot hold is refused rather than rounded. */
const TYPES = {
  integer: { to: 20, from: [20], parse: toSafeNumber, serialize: String },
  decimal: { to: 1700, from: [1700], parse: toSafeNumber, serialize: String },
  truth: { to: 16, from: [16], parse: (text: string) => (text === 't' ? 1 : 0), serialize: String },
}

function toSafeNumber(text: string): number {
  const value = Number(text)
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return value
  throw new RangeError(`the number ${text} is beyond 2^53`)
}

function closed(): Error {
  return coded('CONNECTION_CLOSED', 'the connection was lost')
}

export function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
