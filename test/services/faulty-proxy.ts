// An HTTP proxy in front of a real server of ours, which can do to each request what networks and servers do: refuse,
// answer something else, break off in the middle of either body, change bytes on the way, or let it wait.

import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
  request as sendRequest,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Transform } from 'node:stream'

/** What happens to a request; absent: nothing out of the ordinary. */
export interface Fault {
  /** Answered here. */
  readonly answer?: {
    readonly status: number
    readonly headers?: Record<string, string>
    readonly body?: string
  }
  /** It is passed on, and its own answer is kept back for this one. */
  readonly replaceAnswer?: { readonly status: number }
  /** Broken off after so many bytes of its body. */
  readonly cutRequestAfter?: number
  /** Its answer is broken off after so many bytes of the body. */
  readonly cutAnswerAfter?: number
  /** Its answer stands still after so many bytes of the body. */
  readonly stallAnswerAfter?: number
  /** This byte of its body is changed. */
  readonly flipAt?: number
  /** It goes on when this resolves. */
  readonly until?: Promise<unknown>
}

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

export interface FaultyProxy {
  readonly port: number
  readonly requests: SeenRequest[]
  /** Asked for each request. */
  fault: (request: SeenRequest) => Fault | null
  /** Nobody listens, and all connections are gone, until `listen`. */
  refuse(): Promise<void>
  listen(): Promise<void>
  close(): Promise<void>
}

export async function openFaultyProxy(
  target: number,
  tls?: { key: string; cert: string },
): Promise<FaultyProxy> {
  const requests: SeenRequest[] = []
  const handle: RequestListener = (request, response) => {
    const { method = '', url = '', headers } = request
    const seen = { method, path: url, headers }
    requests.push(seen)
    void pass(request, response, target, proxy.fault(seen) ?? {})
  }
  const open = () => (tls ? createTlsServer(tls, handle) : createServer(handle))
  let server = open()
  const proxy = {
    port: 0,
    requests,
    fault: (_request: SeenRequest): Fault | null => null,
    refuse,
    listen,
    close: refuse,
  }
  await listen()
  return proxy

  async function listen(): Promise<void> {
    server = open()
    await new Promise<void>(resolve => server.listen(proxy.port, '127.0.0.1', resolve))
    proxy.port = (server.address() as AddressInfo).port // it listens on a port
  }

  async function refuse(): Promise<void> {
    const closed = new Promise(resolve => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
}

async function pass(
  request: IncomingMessage,
  response: ServerResponse,
  target: number,
  fault: Fault,
): Promise<void> {
  request.on('error', () => {})
  response.on('error', () => {})
  if (fault.until !== undefined) await fault.until
  if (fault.answer !== undefined) {
    const { status, headers = {}, body = '' } = fault.answer
    const date = new Date().toUTCString()
    response
      .writeHead(status, { date, 'content-length': String(Buffer.byteLength(body)), ...headers })
      .end(body)
    request.resume()
    return
  }
  const { method, url, headers } = request
  const onward = sendRequest({ host: '127.0.0.1', port: target, method, path: url, headers, agent: false })
  const breakOff = () => {
    onward.destroy()
    request.socket.destroy()
  }
  onward.on('error', breakOff)
  request.on('aborted', () => onward.destroy())
  onward.on('response', answer => {
    if (fault.replaceAnswer !== undefined) {
      answer.resume()
      const date = new Date().toUTCString()
      response.writeHead(fault.replaceAnswer.status, { date, 'content-length': '0' }).end()
      return
    }
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.on('error', breakOff)
    answer
      .pipe(passing({ cutAfter: fault.cutAnswerAfter, stallAfter: fault.stallAnswerAfter }, breakOff))
      .pipe(response)
    if (fault.cutAnswerAfter === 0) breakOff()
  })
  response.on('close', () => onward.destroy())
  const body = passing({ cutAfter: fault.cutRequestAfter, flipAt: fault.flipAt }, breakOff)
  request.pipe(body).pipe(onward)
}

function passing(
  fault: { cutAfter?: number; stallAfter?: number; flipAt?: number },
  breakOff: () => void,
): Transform {
  let seen = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const start = seen
      seen += chunk.length
      const flipAt = fault.flipAt === undefined ? -1 : fault.flipAt - start
      if (flipAt >= 0 && flipAt < chunk.length) chunk[flipAt]! ^= 1
      if (fault.stallAfter !== undefined && seen > fault.stallAfter) return
      if (fault.cutAfter === undefined || seen <= fault.cutAfter) return done(null, chunk)
      this.push(chunk.subarray(0, fault.cutAfter - start))
      // What was sent shall arrive.
      setTimeout(breakOff, 20)
    },
  })
}
