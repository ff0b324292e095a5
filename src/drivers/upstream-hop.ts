// One hop of an exchange: its addresses in turn, a few retries with jitter while no headers have come, a deadline
// for each attempt. Whatever else an origin answers, 5xx included, is an answer and not retried here.

import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { Address, Hop, RawResponse, Transport } from '../ports/transport.ts'
import { armDeadline, chain, untilAborted } from './deadline.ts'
import { failureIn, showUrl, toHopProblem } from './hop-failure.ts'
import type { UpstreamLimits } from './upstream-limits.ts'

export interface HopAnswer extends RawResponse {
  /** Breaks the exchange off, its body included. */
  readonly exchange: AbortController
  /** To be called when the body has ended. */
  release(): void
}

export interface HopTools {
  readonly transport: Transport
  readonly clock: Clock
  readonly limits: UpstreamLimits
  /** Epoch ms at which the whole exchange has to have its headers. */
  readonly deadline: number
  readonly signal: AbortSignal | undefined
}

export type HopRequest = Pick<Hop, 'url' | 'method' | 'headers' | 'ca' | 'proxy'>

export async function sendHop(
  tools: HopTools,
  request: HopRequest,
  findRoute: () => Promise<readonly Address[] | null>,
): Promise<HopAnswer> {
  // Found once: what was checked is what every attempt dials.
  let route: readonly Address[] | null | undefined
  for (let attempt = 0; ; attempt++) {
    try {
      route = route === undefined ? await findRoute() : route
      const address = route === null ? null : (route[attempt % route.length] ?? null)
      return await sendOnce(tools, request, address)
    } catch (error) {
      const problem = toHopProblem(request.url, error)
      if (!isWorthRetrying(tools, problem, attempt, route?.length ?? 1)) throw problem
      await tools.clock.sleep(jitter(tools.limits), tools.signal)
    }
  }
}

async function sendOnce(tools: HopTools, request: HopRequest, address: Address | null): Promise<HopAnswer> {
  const { clock, limits, signal } = tools
  const shown = showUrl(request.url)
  const exchange = new AbortController()
  const release = chain(signal, exchange, () => new Problem('cancelled', `Cannot fetch ${shown}: cancelled`))
  const patienceMs = Math.max(0, Math.min(limits.firstByteMs, tools.deadline - clock.now()))
  const disarm = armDeadline(clock, patienceMs, () => {
    exchange.abort(
      new Problem('upstream-timeout', `Cannot fetch ${shown}: no answer within ${patienceMs} ms`),
    )
  })
  try {
    const { connectMs, headerLimitBytes } = limits
    const hop: Hop = { ...request, address, signal: exchange.signal, connectMs, headerLimitBytes }
    const raw = await untilAborted(tools.transport.send(hop), exchange.signal, late => {
      late.body?.cancel().catch(() => {})
    })
    return { status: raw.status, headers: raw.headers, body: raw.body, exchange, release }
  } catch (error) {
    release()
    throw error
  } finally {
    disarm()
  }
}

function isWorthRetrying(tools: HopTools, problem: Problem, attempt: number, addresses: number): boolean {
  if (attempt >= tools.limits.retries || tools.signal?.aborted) return false
  if (tools.clock.now() + tools.limits.retryToMs >= tools.deadline) return false
  const failure = failureIn(problem)
  // Who does not pick up at one address may do so at the next.
  if (failure === 'slow-connect') return attempt + 1 < addresses
  return failure === 'refused' || failure === 'reset' || failure === 'no-names'
}

function jitter(limits: UpstreamLimits): number {
  return limits.retryFromMs + Math.random() * (limits.retryToMs - limits.retryFromMs)
}
