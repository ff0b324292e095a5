// An origin as its repository describes it: where it is, how to reach it, and what its answers may lead to.

export interface Origin {
  /** Repository it belongs to, for messages. */
  readonly repository: string
  /** Without trailing slash. Its path prefix is never left. */
  readonly baseUrl: string
  readonly username?: string
  readonly password?: string
  /** Sent to the origin's own host only. */
  readonly headers: Readonly<Record<string, string>>
  /** Hosts that redirects and documents of the origin may lead to; `same` = only its own. */
  readonly allowedHosts: 'any' | 'same' | readonly string[]
  /** PEM text of further trusted authorities. */
  readonly ca?: string
  /** `http://` URL of a forward proxy. */
  readonly proxy?: string
}

/** Hosts are compared with their port: another port is another party. */
export function isSameHost(origin: Origin, url: string): boolean {
  return new URL(origin.baseUrl).host === new URL(url).host
}
