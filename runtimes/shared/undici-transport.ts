// The transport of Node and Deno, on undici below its fetch: raw bytes, no decoding, no redirects.
// Connections are pooled by address and host name together, so that a pooled connection never carries a request
// to an address that was not checked for it.

import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import tls from 'node:tls'
import { buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici'
import { hopProblem, toHopProblem } from '../../src/drivers/hop-failure.ts'
import type { Hop, RawResponse, Transport } from '../../src/ports/transport.ts'

/** Pools that nobody uses are closed when there are more. */
const POOL_LIMIT = 256

/** Bytes of a body that are read ahead of whoever pulls it. */
const AHEAD_BYTES = 256 * 1024

interface Way {
  readonly dispatcher: Dispatcher
  running: number
}

export function createUndiciTransport(): Transport {
  const ways = new Map<string, Way>()
  const trust = createTrust()

  async function send(hop: Hop): Promise<RawResponse> {
    const { origin } = new URL(hop.url)
    const target = hop.proxy ?? `${origin} ${hop.address?.ip ?? ''} ${hop.address?.port ?? ''}`
    const key = `${target} ${hop.connectMs} ${hop.headerLimitBytes} ${hop.ca ?? ''}`
    const way = ways.get(key) ?? { dispatcher: openDispatcher(hop, trust(hop.ca)), running: 0 }
    // Taken out and put in again: the map is in the order of last use.
    ways.delete(key)
    ways.set(key, way)
    if (ways.size > POOL_LIMIT) closeOldest(ways)
    way.running++
    return await dispatch(way.dispatcher, hop, () => way.running--)
  }

  return {
    send,
    async close() {
      const all = [...ways.values()]
      ways.clear()
      await Promise.all(all.map(way => way.dispatcher.destroy()))
    },
  }
}

function dispatch(dispatcher: Dispatcher, hop: Hop, onEnd: () => void): Promise<RawResponse> {
  const { pathname, search, origin } = new URL(hop.url)
  return new Promise((resolve, reject) => {
    let wire: Dispatcher.DispatchController | null = null
    let sink: ReadableStreamDefaultController<Uint8Array> | null = null
    const breakOff = () => {
      reject(hop.signal.reason)
      wire?.abort(toError(hop.signal.reason))
    }
    const end = () => {
      hop.signal.removeEventListener('abort', breakOff)
      onEnd()
    }
    if (hop.signal.aborted) reject(hop.signal.reason)
    hop.signal.addEventListener('abort', breakOff)
    dispatcher.dispatch(
      {
        origin,
        path: `${pathname}${search}`,
        method: hop.method,
        headers: { ...hop.headers },
        body: bodyOf(hop),
      },
      {
        onRequestStart(controller) {
          wire = controller
          if (hop.signal.aborted) controller.abort(toError(hop.signal.reason))
        },
        onResponseStart(controller, status, headers) {
          if (status < 200) return
          const body = openBody(controller, opened => {
            sink = opened
          })
          resolve({ status, headers: toHeaders(headers), body })
        },
        onResponseData(controller, chunk: Buffer) {
          // A plain view: Buffer's own slice() shares memory where Uint8Array's copies.
          sink?.enqueue(new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset, chunk.byteLength)) // sockets read into plain memory
          if ((sink?.desiredSize ?? 0) <= 0) controller.pause()
        },
        onResponseEnd() {
          end()
          sink?.close()
        },
        onResponseError(_controller, error) {
          end()
          reject(toHopProblem(hop.url, error))
          sink?.error(error)
        },
      },
    )
  })
}

/** undici reads node: streams, and bytes as they are. */
function bodyOf({ body }: Hop): Readable | Uint8Array | null {
  if (!(body instanceof ReadableStream)) return body ?? null
  return Readable.fromWeb(body as NodeReadableStream<Uint8Array>) // the same class, declared twice
}

function openBody(
  wire: Dispatcher.DispatchController,
  onOpen: (sink: ReadableStreamDefaultController<Uint8Array>) => void,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      start: onOpen,
      pull: () => wire.resume(),
      cancel: reason => wire.abort(toError(reason)),
    },
    { highWaterMark: AHEAD_BYTES, size: chunk => chunk?.byteLength ?? 0 },
  )
}

function openDispatcher(hop: Hop, secureContext: tls.SecureContext | undefined): Dispatcher {
  const options = {
    allowH2: false,
    pipelining: 1,
    maxHeaderSize: hop.headerLimitBytes,
    // Deadlines are Upstream's.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 15_000,
    keepAliveMaxTimeout: 60_000,
  }
  if (hop.proxy !== undefined) {
    const requestTls = { secureContext, allowH2: false }
    return new ProxyAgent({
      uri: hop.proxy,
      proxyTunnel: false,
      connectTimeout: hop.connectMs,
      requestTls,
      ...options,
    })
  }
  const connect = buildConnector({ timeout: hop.connectMs, allowH2: false, secureContext })
  const { address } = hop
  if (address === null) throw hopProblem(hop.url, 'unknown-name', 'no address was chosen')
  return new Pool(new URL(hop.url).origin, {
    ...options,
    connect: (wanted, done) => connect({ ...wanted, hostname: address.ip, port: String(address.port) }, done),
  })
}

/** The certificates of the system, and one context for each authority that is trusted besides. */
function createTrust(): (ca: string | undefined) => tls.SecureContext | undefined {
  const contexts = new Map<string, tls.SecureContext>()
  return ca => {
    if (ca === undefined) return undefined
    const usual = tls.getCACertificates?.('default') ?? tls.rootCertificates
    const context = contexts.get(ca) ?? tls.createSecureContext({ ca: [...usual, ca] })
    contexts.set(ca, context)
    return context
  }
}

function closeOldest(ways: Map<string, Way>): void {
  for (const [key, way] of ways) {
    if (way.running > 0) continue
    ways.delete(key)
    way.dispatcher.close().catch(() => {})
    return
  }
}

function toHeaders(raw: Readonly<Record<string, string | string[] | undefined>>): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(raw)) {
    for (const one of Array.isArray(value) ? value : [value ?? '']) headers.append(name, one)
  }
  return headers
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('cancelled')
}
