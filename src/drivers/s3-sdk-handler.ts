// The way out for the AWS SDK: its requests over a ServiceLink. Answers are read whole, and are small: no body of a
// blob comes this way.

import { Problem } from '../model/problem.ts'
import type { Hop } from '../ports/transport.ts'
import { ANSWER_MS } from './s3-requests.ts'
import type { ServiceLink } from './service-link.ts'

const ANSWER_LIMIT_BYTES = 16 * 1024 * 1024

export interface SdkHandler {
  handle(request: SdkRequest, options?: { requestTimeout?: number }): Promise<{ response: SdkResponse }>
  updateHttpClientConfig(): void
  httpHandlerConfigs(): Record<string, never>
}

export interface SdkRequest {
  readonly method: string
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
  readonly path: string
  readonly query?: Readonly<Record<string, string | string[] | null>>
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

export interface SdkResponse {
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly body: Uint8Array
}

export function createSdkHandler(link: ServiceLink): SdkHandler {
  return {
    async handle(request, { requestTimeout = ANSWER_MS } = {}) {
      const answer = await link.send({
        url: urlOf(request),
        // The operations that are used have no other methods.
        method: request.method as Hop['method'],
        headers: headersOf(request),
        body: bodyOf(request),
        answerMs: requestTimeout,
      })
      const headers = Object.fromEntries(answer.headers)
      return { response: { statusCode: answer.status, headers, body: await readWhole(answer.body) } }
    },
    // The SDK would like to change settings of a client that it made itself.
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  }
}

function urlOf({ protocol, hostname, port, path, query = {} }: SdkRequest): string {
  const pairs = Object.entries(query).flatMap(([name, values]) =>
    [values ?? ''].flat().map(value => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
  )
  const search = pairs.length === 0 ? '' : `?${pairs.join('&')}`
  return `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}${search}`
}

/** The transport names the host itself. */
function headersOf({ headers }: SdkRequest): Record<string, string> {
  const all = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const)
  return Object.fromEntries(all.filter(([name]) => name !== 'host'))
}

function bodyOf({ body }: SdkRequest): Uint8Array | undefined {
  if (body === undefined || body === null || body === '') return undefined
  if (typeof body === 'string') return new TextEncoder().encode(body)
  if (body instanceof Uint8Array) return body
  throw new Problem('internal', 'Cannot send a request of the AWS SDK: its body is neither text nor bytes')
}

async function readWhole(body: ReadableStream<Uint8Array> | null): Promise<Uint8Array> {
  if (body === null) return new Uint8Array()
  const reader = body.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      chunks.push(value)
      size += value.byteLength
      if (size > ANSWER_LIMIT_BYTES) throw new Error(`more than ${ANSWER_LIMIT_BYTES} bytes`)
    }
  } catch (error) {
    reader.cancel().catch(() => {})
    const reason = error instanceof Error ? error.message : String(error)
    throw new Problem(
      'upstream-broken',
      `Cannot read: the answer broke off (${reason})`,
      {},
      { cause: error },
    )
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}
