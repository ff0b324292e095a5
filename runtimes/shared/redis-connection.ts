// Redis over TCP, through ioredis: the only place that knows it. It is loaded when the first connection is made, for
// most installations have no Redis. A call that is not answered within COMMAND_MS fails; nothing waits for a server
// that is away; connections are made again for ever, at most half a second apart.

import type { RedisOptions as ClientOptions, Redis } from 'ioredis'
import type {
  LinkListener,
  RedisConnection,
  RedisHearer,
  RedisHearing,
  RedisOptions,
} from '../../src/drivers/redis-commands.ts'
import { Problem } from '../../src/model/problem.ts'

const COMMAND_MS = 500
/** A socket that owes an answer for this long is given up: what lies between may have forgotten it. */
const SILENT_SOCKET_MS = 3_000
const CONNECT_MS = 3_000
const CLOSED = 'the connection was closed'

export function createRedisConnection(options: RedisOptions): RedisConnection {
  const url = new URL(options.url)
  const host = `${url.hostname}:${url.port || '6379'}`
  const name = `Redis ${host}`
  const settings = clientOptions(options, url)
  const opened = new Set<Redis>()
  let isClosed = false

  /** `prepare` sees it before it connects. */
  async function open(prepare: (client: Redis) => void, more: ClientOptions = {}): Promise<Redis> {
    const { Redis } = await import('ioredis')
    const client = new Redis({ ...settings, ...more, lazyConnect: true })
    opened.add(client)
    prepare(client)
    if (isClosed) client.disconnect()
    else client.connect().catch(() => {}) // tried again by itself; `close` tells why
    return client
  }

  const listeners = new Set<LinkListener>()
  let fault: string | null = `${host} is not connected yet`
  const opening = open(client =>
    followLink(client, newFault => {
      fault = newFault
      for (const listener of listeners) listener(fault)
    }),
  )

  async function ask<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    const client = await opening
    try {
      return await work(client)
    } catch (error) {
      // Without the cause: the error of the client carries the command, which may carry secrets.
      const reason = reasonOf(error, fault)
      throw new Problem('values-broken', `Cannot ask ${name}: ${reason}`, { reason })
    }
  }

  return {
    name,
    commands: {
      get: key => ask(client => client.get(key)),
      set: (key, value, ttlMs) => ask(async client => void (await client.set(key, value, 'PX', ttlMs))),
      delete: key => ask(async client => void (await client.del(key))),
      evaluate: (script, keys, values) =>
        ask(async client => toAnswer(await client.eval(script, keys.length, ...keys, ...values))),
      publish: (channel, message) => ask(async client => void (await client.publish(channel, message))),
    },
    watch(listener) {
      listeners.add(listener)
      if (fault === null) listener(null)
      return () => listeners.delete(listener)
    },
    hear: (channel, hearer) => hear(channel, hearer, open),
    async close() {
      isClosed = true
      listeners.clear()
      for (const client of opened) client.disconnect()
    },
  }
}

function hear(
  channel: string,
  hearer: RedisHearer,
  open: (prepare: (client: Redis) => void, more: ClientOptions) => Promise<Redis>,
): RedisHearing {
  const prepare = (client: Redis) => {
    const begin = () => {
      if (client.status === 'ready') hearer.begun()
    }
    followLink(client, fault => {
      if (fault !== null) hearer.ended()
      else client.subscribe(channel).then(begin, () => client.disconnect(true))
    })
    client.on('message', (_, message) => hearer.message(message))
  }
  // It is subscribed here again and not by the client, which would not tell when that is done.
  const opening = open(prepare, { autoResubscribe: false })
  return {
    ping: async () => void (await (await opening).ping()),
    reset: () => void opening.then(client => client.disconnect(true)),
    close: () => void opening.then(client => client.disconnect()),
  }
}

/** Tells when the connection can be used, and when and why no longer. */
function followLink(client: Redis, listener: LinkListener): void {
  let reason = CLOSED
  client.on('error', error => {
    reason = reasonOf(error, null)
  })
  client.on('ready', () => {
    reason = CLOSED
    listener(null)
  })
  client.on('close', () => listener(reason))
}

function clientOptions({ ca }: RedisOptions, url: URL): ClientOptions {
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || '6379'),
    username: decodeURIComponent(url.username) || undefined,
    password: decodeURIComponent(url.password) || undefined,
    db: Number(url.pathname.slice(1) || '0'),
    tls: url.protocol === 'rediss:' ? { ca } : undefined,
    commandTimeout: COMMAND_MS,
    socketTimeout: SILENT_SOCKET_MS,
    connectTimeout: CONNECT_MS,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    // Of use with dozens of calls at once only, and dearer with fewer (measured).
    enableAutoPipelining: false,
    retryStrategy: attempts => Math.min(attempts * 50, 500),
  }
}

function toAnswer(answer: unknown): string | number | null {
  return typeof answer === 'string' || typeof answer === 'number' ? answer : null
}

/** Errors of a connection to several addresses have no text of their own; those of an absent one tell less than its own. */
function reasonOf(error: unknown, fault: string | null): string {
  if (!(error instanceof Error)) return String(error)
  if (fault !== null && error.message.includes('enableOfflineQueue')) return fault
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(each => reasonOf(each, null)).join(', ')
  }
  return error.message
}
