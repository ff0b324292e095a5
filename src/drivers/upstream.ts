// The only way out: every byte from an origin comes through here. It holds the rules (who may be asked, what they
// get to see, how long we wait) and leaves the wire to a transport.

import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { Meter } from '../ports/meter.ts'
import type { Dialer, Resolver, Transport } from '../ports/transport.ts'
import type { Upstream, UpstreamRequest, UpstreamResponse } from '../ports/upstream.ts'
import { showUrl } from './hop-failure.ts'
import { firstUrl, headersFor, redirectUrl } from './origin-policy.ts'
import { createTurnstile } from './turnstile.ts'
import { declaredLength, discard, watchBody } from './upstream-body.ts'
import { type HopAnswer, sendHop } from './upstream-hop.ts'
import { UPSTREAM_LIMITS, type UpstreamLimits } from './upstream-limits.ts'
import { findRoute, type Whereabouts } from './upstream-route.ts'

export interface UpstreamTools {
  readonly transport: Transport
  /** Null where the platform resolves names and keeps private networks out by itself (Workers). */
  readonly resolver: Resolver | null
  readonly dialer?: Dialer
  readonly clock: Clock
  readonly log: Log
  readonly meter?: Meter
  /** Of artifactapi, for `User-Agent`. */
  readonly version: string
  readonly limits?: Partial<UpstreamLimits>
}

export function createUpstream(tools: UpstreamTools): Upstream {
  const { clock } = tools
  const limits = { ...UPSTREAM_LIMITS, ...tools.limits }
  const turnstile = createTurnstile(limits, clock)
  return { send }

  async function send(request: UpstreamRequest): Promise<UpstreamResponse> {
    const url = firstUrl(request)
    const leave = await turnstile.enter(new URL(request.origin.baseUrl).origin, request.signal)
    const startedAt = clock.now()
    try {
      const { answer, url: finalUrl, isRedirected } = await follow(tools, limits, request, url)
      count(tools, request, `${Math.floor(answer.status / 100)}xx`, startedAt)
      const body = openBody(tools, limits, request, { answer, url: finalUrl, leave })
      const shownUrl = isRedirected ? showUrl(finalUrl) : finalUrl
      return { status: answer.status, headers: answer.headers, url: shownUrl, body }
    } catch (error) {
      leave()
      throw told(tools, request, error, startedAt)
    }
  }
}

interface Followed {
  readonly answer: HopAnswer
  readonly url: string
  readonly isRedirected: boolean
}

async function follow(
  tools: UpstreamTools,
  limits: UpstreamLimits,
  request: UpstreamRequest,
  start: string,
): Promise<Followed> {
  const { clock, transport } = tools
  const { origin, method, signal } = request
  const whereabouts: Whereabouts = {}
  const seen: string[] = []
  const hopTools = { transport, clock, limits, signal, deadline: clock.now() + limits.totalMs }
  const routeTools = { ...tools, connectMs: limits.connectMs }
  for (let url = start; ; ) {
    if (seen.includes(url)) throw lost(start, seen, 'the redirects go in a circle')
    if (seen.length > limits.redirects) throw lost(start, seen, `more than ${limits.redirects} redirects`)
    seen.push(url)
    const headers = headersFor(url, request, `artifactapi/${tools.version}`)
    const hop = { url, method, headers, ca: origin.ca, proxy: origin.proxy }
    const answer = await sendHop(hopTools, hop, () => findRoute(routeTools, url, origin, whereabouts))
    const next = nextUrl(answer, url, request)
    if (next === null) return { answer, url, isRedirected: seen.length > 1 }
    drop(answer, clock)
    url = next
  }
}

function nextUrl(answer: HopAnswer, url: string, request: UpstreamRequest): string | null {
  try {
    return redirectUrl(url, answer.status, answer.headers, request.origin)
  } catch (error) {
    answer.exchange.abort(error)
    answer.release()
    throw error
  }
}

/** Lets go of an answer that only led elsewhere. */
function drop(answer: HopAnswer, clock: Clock): void {
  if (answer.body === null) answer.release()
  else void discard(answer.body.getReader(), clock, answer.exchange).then(answer.release)
}

function openBody(
  tools: UpstreamTools,
  limits: UpstreamLimits,
  request: UpstreamRequest,
  { answer, url, leave }: { answer: HopAnswer; url: string; leave: () => void },
): ReadableStream<Uint8Array> | null {
  const { exchange, release } = answer
  if (request.method === 'HEAD' || answer.status === 204 || answer.status === 304) {
    leave()
    drop(answer, tools.clock)
    return null
  }
  const bytes = tools.meter?.counter('artifactapi_origin_bytes_total', { repo: request.origin.repository })
  return watchBody(answer.body ?? emptyBody(), {
    url: showUrl(url),
    length: declaredLength(answer.headers),
    clock: tools.clock,
    idleMs: limits.idleMs,
    exchange,
    onBytes: count => {
      if (bytes !== undefined) bytes.value += count
    },
    onEnd: () => {
      release()
      leave()
    },
  })
}

function emptyBody(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: controller => controller.close() })
}

function count(tools: UpstreamTools, request: UpstreamRequest, result: string, startedAt: number): void {
  const repo = request.origin.repository
  const counter = tools.meter?.counter('artifactapi_origin_requests_total', { repo, result })
  if (counter !== undefined) counter.value++
  tools.meter?.observe('artifactapi_origin_seconds', (tools.clock.now() - startedAt) / 1000, { repo })
}

/** Every failure of an exchange leaves here: counted, logged, and one of our Problems. */
function told(tools: UpstreamTools, request: UpstreamRequest, error: unknown, startedAt: number): Problem {
  const problem =
    error instanceof Problem
      ? error
      : new Problem(
          'upstream-broken',
          `Cannot fetch ${showUrl(request.url)}: the exchange failed`,
          {},
          { cause: error },
        )
  count(tools, request, problem.code, startedAt)
  if (problem.code !== 'cancelled') {
    tools.log.warn(problem.message, { repo: request.origin.repository, code: problem.code })
  }
  return problem
}

function lost(start: string, chain: readonly string[], why: string): Problem {
  const hosts = chain.map(url => new URL(url).host)
  return new Problem('upstream-broken', `Cannot fetch ${showUrl(start)}: ${why} (${hosts.join(' → ')})`, {
    hosts,
  })
}
