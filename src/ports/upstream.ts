// The only way out. Deadlines, retries, redirects, address policy, credentials, raw bytes.

import type { Origin } from '../model/origin.ts'

export interface Upstream {
  /**
   * One exchange with an origin: headers of the final answer (redirects followed), and its body as raw bytes, never
   * decoded. The caller reads the body to its end or cancels it. Throws only `upstream-*` problems, or `cancelled` when
   * `signal` aborts; the body's stream fails with `upstream-broken` or `upstream-timeout` when it ends before its
   * declared length or stalls.
   */
  send(request: UpstreamRequest): Promise<UpstreamResponse>
}

export interface UpstreamRequest {
  /** Below the origin's `baseUrl`, whose path prefix it may not leave, unless `isNamedByOrigin`. */
  readonly url: string
  /** The origin's own documents named this URL: it may go wherever the origin's `allowedHosts` do. */
  readonly isNamedByOrigin?: boolean
  readonly method: 'GET' | 'HEAD'
  readonly headers?: Readonly<Record<string, string>>
  /** Whose policy and credentials hold for this exchange. */
  readonly origin: Origin
  readonly signal?: AbortSignal
}

export interface UpstreamResponse {
  readonly status: number
  readonly headers: Headers
  /** Where the answer came from. Without credentials; after a redirect also without its query, which may be a signature. */
  readonly url: string
  /** Null where there is none (HEAD, 204, 304). */
  readonly body: ReadableStream<Uint8Array> | null
}
