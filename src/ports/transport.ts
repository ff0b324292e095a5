// One raw exchange with one address: what lies below Upstream. No policy lives here, and no kindness either:
// a transport follows nothing, decodes nothing, retries nothing and chooses no address of its own accord.

export interface Transport {
  /**
   * Sends one request and resolves when the final headers are in (1xx are skipped). The body is the bytes of the
   * message as framed, whatever its `Content-Encoding`; it fails when the framing is cut short, is read only as fast
   * as it is pulled, and cancelling it frees the connection. When `hop.signal` aborts, the promise rejects or the
   * body fails. A failure before the headers is a Problem whose `detail.failure` is a `HopFailure`.
   */
  send(hop: Hop): Promise<RawResponse>
  /** Drops idle connections. */
  close(): Promise<void>
}

export interface Hop {
  /** Names the host for `Host` and for TLS. Carries no credentials. */
  readonly url: string
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Of PUT and POST. A stream needs a `content-length` among the headers, is sent as it comes, and fails the exchange when it fails. */
  readonly body?: Uint8Array | ReadableStream<Uint8Array>
  /** Complete, lower-case names; without `host`. */
  readonly headers: Readonly<Record<string, string>>
  /** Where to connect, already checked; nothing is resolved again. Null: by the name in `url` (behind a proxy, on Workers). */
  readonly address: Address | null
  /** PEM text of authorities trusted besides the usual ones. */
  readonly ca?: string
  /** `http://` URL of a forward proxy. The environment's own proxy variables are never followed. */
  readonly proxy?: string
  readonly signal: AbortSignal
  readonly connectMs: number
  readonly headerLimitBytes: number
}

export interface Address {
  /** IPv4 or IPv6, without brackets. */
  readonly ip: string
  readonly port: number
}

export interface RawResponse {
  readonly status: number
  readonly headers: Headers
  readonly body: ReadableStream<Uint8Array> | null
}

/** Why no headers came. */
export type HopFailure =
  | 'unknown-name'
  | 'no-names'
  | 'refused'
  | 'slow-connect'
  | 'tls'
  | 'reset'
  | 'malformed'

/** All addresses of a host name, best first. Rejects, or resolves to none, when there are none. */
export type Resolver = (host: string, port: number) => Promise<readonly string[]>

/** Where an address that passed every check is really to be found. */
export type Dialer = (address: Address, host: string) => Address
