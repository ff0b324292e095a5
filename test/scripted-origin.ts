// An origin without a network: what it answers is set by path, each answer may be a function of the request, and a
// body may be handed out piece by piece by the test.

import { Problem } from '../src/model/problem.ts'
import type { Upstream, UpstreamRequest, UpstreamResponse } from '../src/ports/upstream.ts'

export interface ScriptedAnswer {
  readonly status?: number
  /** Text and bytes come whole and with their length; a body in pieces has the length that `headers` say. */
  readonly body?: string | Uint8Array | BodyInPieces
  readonly headers?: Readonly<Record<string, string>>
}

/** An Error is thrown. */
export type Script = ScriptedAnswer | Error | ((request: SeenRequest) => ScriptedAnswer | Error)

export interface SeenRequest {
  readonly method: 'GET' | 'HEAD'
  /** Below the origin's base URL, without leading slash. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

export interface ScriptedOrigin extends Upstream {
  /** By path below the base URL; what is not here is 404. */
  readonly files: Map<string, Script>
  readonly seen: SeenRequest[]
  /** `GET path` of every request so far. */
  readonly asked: readonly string[]
}

export function createScriptedOrigin(baseUrl: string): ScriptedOrigin {
  const files = new Map<string, Script>()
  const seen: SeenRequest[] = []

  return {
    files,
    seen,
    get asked() {
      return seen.map(({ method, path }) => `${method} ${path}`)
    },
    async send({ url, method, headers = {} }: UpstreamRequest): Promise<UpstreamResponse> {
      if (!url.startsWith(`${baseUrl}/`)) throw new Error(`${url} is not below ${baseUrl}`)
      const request = { method, path: url.slice(baseUrl.length + 1), headers }
      seen.push(request)
      const script = files.get(request.path) ?? { status: 404, body: 'no such file' }
      const answer = typeof script === 'function' ? script(request) : script
      if (answer instanceof Error) throw answer
      return responseOf(answer, request, url)
    },
  }
}

function responseOf(answer: ScriptedAnswer, { method }: SeenRequest, url: string): UpstreamResponse {
  const { status = 200, body = '' } = answer
  const headers = new Headers(answer.headers)
  const pieces = isInPieces(body) ? body : null
  const bytes = isInPieces(body) ? null : toBytes(body)
  if (bytes !== null && status === 200 && !headers.has('content-length')) {
    headers.set('content-length', String(bytes.byteLength))
  }
  if (headers.get('content-length') === 'none') headers.delete('content-length')
  const hasBody = method === 'GET' && status !== 304
  return { status, headers, url, body: hasBody ? (pieces?.stream() ?? streamOf(bytes)) : null }
}

export interface BodyInPieces {
  /** For one reader. */
  stream(): ReadableStream<Uint8Array>
  push(piece: string | Uint8Array): void
  end(): void
  fail(problem?: Error): void
  /** Pieces the reader has taken. */
  readonly taken: number
  readonly isCancelled: boolean
}

/** A body whose pieces come when the test pushes them, and are taken when the reader wants them. */
export function bodyInPieces(): BodyInPieces {
  const queue: Uint8Array[] = []
  let ending: 'end' | Error | null = null
  let taken = 0
  let isCancelled = false
  let wake = () => {}

  return {
    stream: () =>
      new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            while (queue.length === 0 && ending === null) {
              await new Promise<void>(resolve => {
                wake = resolve
              })
            }
            const piece = queue.shift()
            if (piece !== undefined) {
              taken++
              controller.enqueue(piece)
            } else if (ending instanceof Error) controller.error(ending)
            else controller.close()
          },
          cancel() {
            isCancelled = true
            ending ??= 'end'
            wake()
          },
        },
        { highWaterMark: 0 },
      ),
    push(piece) {
      queue.push(toBytes(piece))
      wake()
    },
    end() {
      ending = 'end'
      wake()
    },
    fail(problem = brokenOff()) {
      ending = problem
      wake()
    },
    get taken() {
      return taken
    },
    get isCancelled() {
      return isCancelled
    },
  }
}

/** What the transport says of a body that ends too early. */
export function brokenOff(): Problem {
  return new Problem('upstream-broken', 'Cannot fetch: the body broke off')
}

export function unreachable(): Problem {
  return new Problem('upstream-unreachable', 'Cannot fetch: connection refused')
}

function isInPieces(body: ScriptedAnswer['body']): body is BodyInPieces {
  return typeof body === 'object' && 'push' in body
}

function toBytes(body: string | Uint8Array): Uint8Array {
  return typeof body === 'string' ? new TextEncoder().encode(body) : body
}

function streamOf(bytes: Uint8Array | null): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (bytes !== null && bytes.byteLength > 0) controller.enqueue(bytes.slice())
        controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}
