// The connection to Redis that values, leases and messages share.

export interface RedisOptions {
  /** `redis://`, `rediss://`; `https://` for Upstash. */
  readonly url: string
  /** Of an `https://` URL. */
  readonly token?: string
  /** PEM text of an authority trusted besides the usual ones. */
  readonly ca?: string
}
