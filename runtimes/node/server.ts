// `node:http`, for Node and, where exact lengths matter more than speed, for Bun. Requests come from the adapter;
// answers are written here, because a body that fails must break the connection off and never be ended.

import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { HttpServer, Listening, ListenOptions } from '../shared/http-server.ts'
import { brokenBody, internalError, plainAddress } from '../shared/http-server.ts'
import { createStreamDelivery } from '../shared/stream-delivery.ts'
import { isUnsafeTarget, refuseUnsafePath } from '../shared/unsafe-path.ts'

const KEEP_ALIVE_MS = 65_000
const HEADER_LIMIT_BYTES = 64 * 1024

export function createNodeServer(): HttpServer {
  return { delivery: createStreamDelivery(), listen }
}

async function listen({ address, isSharedPort = false, answer, onError }: ListenOptions): Promise<Listening> {
  const running = new Set<ServerResponse>()
  const listener = getRequestListener(
    async (request, env) => {
      // Only HTTP/1 is served here.
      const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: ServerResponse }
      await respond(request, incoming, outgoing)
      return RESPONSE_ALREADY_SENT
    },
    { overrideGlobalObjects: false },
  )

  async function respond(
    request: Request,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
  ): Promise<void> {
    try {
      const client = { address: plainAddress(incoming.socket.remoteAddress) }
      const response = isUnsafeTarget(incoming.url ?? '') ? refuseUnsafePath() : await answer(request, client)
      await send(response, outgoing)
    } catch (error) {
      onError(error)
      if (outgoing.headersSent) outgoing.destroy()
      else await send(internalError(), outgoing)
    }
  }

  const server = createServer({ maxHeaderSize: HEADER_LIMIT_BYTES, keepAliveTimeout: KEEP_ALIVE_MS })
  // Uploads and downloads last as long as they last.
  server.requestTimeout = 0
  server.timeout = 0
  server.on('request', (incoming, outgoing) => {
    running.add(outgoing)
    outgoing.on('close', () => running.delete(outgoing))
    void listener(incoming, outgoing)
  })
  server.listen({ port: address.port, host: address.host ?? undefined, reusePort: isSharedPort })
  await once(server, 'listening')
  server.on('error', onError)

  return {
    port: portOf(server.address()) ?? address.port,
    async stop() {
      server.close()
      server.closeIdleConnections()
      await Promise.all([...running].map(outgoing => once(outgoing, 'close')))
    },
    async kill() {
      server.closeAllConnections()
    },
  }
}

/** Resolves when the answer is written, or its client has left. */
async function send(response: Response, outgoing: ServerResponse): Promise<void> {
  const headers = headersOf(response.headers)
  if (response.body === null || outgoing.req.method === 'HEAD') {
    await response.body?.cancel()
    outgoing.writeHead(response.status, headers)
    outgoing.end()
    return
  }
  const reader = response.body.getReader()
  outgoing.on('close', () => reader.cancel().catch(() => {}))
  try {
    let next = reader.read()
    const first = await soon(next)
    next = first === null || first.done ? next : reader.read()
    // Bytes and text are a stream of one chunk, whose length this answer would lose.
    if (first !== null && !first.done && !('content-length' in headers) && (await soon(next))?.done) {
      headers['content-length'] = String(first.value.byteLength)
    }
    outgoing.writeHead(response.status, headers)
    if (first === null) outgoing.flushHeaders()
    else if (!first.done) await write(outgoing, first.value)
    for (let chunk = await next; !chunk.done && !outgoing.destroyed; chunk = await reader.read()) {
      await write(outgoing, chunk.value)
    }
    outgoing.end()
  } catch (error) {
    // Its maker has logged why. What was promised cannot be kept, and the client has to see that.
    if (outgoing.headersSent || outgoing.destroyed) outgoing.destroy()
    else await send(brokenBody(error), outgoing)
  }
}

/** What comes of `work` without waiting for anything outside of this process, or null. */
function soon<T>(work: Promise<T>): Promise<T | null> {
  return Promise.race([work, new Promise<null>(resolve => setImmediate(resolve, null))])
}

async function write(outgoing: ServerResponse, chunk: Uint8Array): Promise<void> {
  if (!outgoing.write(chunk) && !outgoing.destroyed) await drained(outgoing)
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const settle = () => {
      outgoing.off('drain', settle)
      outgoing.off('close', settle)
      resolve()
    }
    outgoing.on('drain', settle)
    outgoing.on('close', settle)
  })
}

function headersOf(headers: Headers): Record<string, string | string[]> {
  const record: Record<string, string | string[]> = Object.fromEntries(headers)
  const cookies = headers.getSetCookie()
  if (cookies.length > 0) record['set-cookie'] = cookies
  return record
}

function portOf(address: unknown): number | null {
  const isPort = typeof address === 'object' && address !== null && 'port' in address
  return isPort && typeof address.port === 'number' ? address.port : null
}
