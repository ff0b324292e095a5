// HTTP to services of the operator's own (a bucket, another replica): names are resolved and remembered, addresses
// need no permission, and nothing is retried. What an origin may do is Upstream's business, not this one's.

import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { Hop, RawResponse, Resolver, Transport } from '../ports/transport.ts'
import { armDeadline, chain } from './deadline.ts'

export interface ServiceLink {
  /** Fails with a Problem whose `detail.failure` says why no headers came. */
  send(request: ServiceRequest): Promise<RawResponse>
}

export interface ServiceRequest {
  readonly url: string
  readonly method: Hop['method']
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Hop['body']
  readonly signal?: AbortSignal
  /** How long the headers of the answer may take; none when absent. */
  readonly answerMs?: number
}

export interface ServiceLinkParts {
  readonly transport: Transport
  /** Null where the platform resolves names. */
  readonly resolver: Resolver | null
  readonly clock: Clock
  readonly ca?: string
  readonly connectMs?: number
}

const HEADER_LIMIT_BYTES = 64 * 1024

export function createServiceLink(parts: ServiceLinkParts): ServiceLink {
  const { transport, resolver, clock, ca, connectMs = 3_000 } = parts

  async function addressOf(url: URL): Promise<Hop['address']> {
    const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (/^[\d.]+$/.test(host) || host.includes(':')) return { ip: host, port }
    if (resolver === null) return null
    const [ip] = await resolver(host, port)
    if (ip !== undefined) return { ip, port }
    throw new Problem('upstream-unreachable', `Cannot reach ${url.host}: its name has no address`)
  }

  return {
    async send({ url, method, headers = {}, body, signal, answerMs }) {
      const ended = new AbortController()
      const unchain = chain(signal, ended, () => signal?.reason)
      const disarm =
        answerMs === undefined
          ? () => {}
          : armDeadline(clock, answerMs, () => ended.abort(slow(url, answerMs)))
      try {
        const address = await addressOf(new URL(url))
        const hop = { url, method, headers, body, address, ca, connectMs, signal: ended.signal }
        const response = await transport.send({ ...hop, headerLimitBytes: HEADER_LIMIT_BYTES })
        // From here on `signal` ends the body; nobody is told when that is over, so it stays chained.
        return response
      } catch (error) {
        unchain()
        throw error
      } finally {
        disarm()
      }
    },
  }
}

function slow(url: string, answerMs: number): Problem {
  return new Problem('upstream-timeout', `Cannot reach ${new URL(url).host}: no answer within ${answerMs} ms`)
}
