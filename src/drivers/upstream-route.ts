// Finds the addresses of a host and lets through only those its origin may reach. What is checked here is what
// gets dialled: no name is resolved twice within a hop, so an answer that changes in between changes nothing.

import type { Origin } from '../model/origin.ts'
import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { Address, Dialer, Resolver } from '../ports/transport.ts'
import {
  type AddressClass,
  classifyAddress,
  isAddress,
  isSameAddress,
  stripBrackets,
} from './address-policy.ts'
import { armDeadline, untilAborted } from './deadline.ts'
import { hopProblem, showUrl, toHopProblem } from './hop-failure.ts'
import { portOf } from './origin-policy.ts'

export interface RouteTools {
  /** Null where the platform resolves by itself (Workers). */
  readonly resolver: Resolver | null
  readonly dialer?: Dialer
  readonly clock: Clock
  readonly connectMs: number
}

/** What one exchange has learnt about where its origin lives. */
export interface Whereabouts {
  originIsPrivate?: boolean
}

/** The addresses to try for `url`, best first; null = the transport finds the host by its name. */
export async function findRoute(
  tools: RouteTools,
  url: string,
  origin: Origin,
  whereabouts: Whereabouts,
): Promise<readonly Address[] | null> {
  const target = new URL(url)
  const base = new URL(origin.baseUrl)
  const isOwn = target.hostname === base.hostname
  const isByName = tools.resolver === null || origin.proxy !== undefined
  const found = isByName ? await guess(tools, target, isOwn) : await resolve(tools, target)
  const classes = new Map(found.map(ip => [ip, classifyAddress(ip)]))
  // Once an exchange: a name that turns private on the way opens nothing.
  if (isOwn && found.length > 0) whereabouts.originIsPrivate ??= hasPrivate(classes.values())
  const permitted: string[] = []
  for (const [ip, found] of classes) {
    const isExactBase = isAddress(base.hostname) && isSameAddress(ip, stripBrackets(base.hostname))
    if (found === 'public' || isExactBase) permitted.push(ip)
    else if (found === 'private' && (await isPrivate(tools, base, origin, whereabouts))) permitted.push(ip)
  }
  if (permitted.length === 0 && found.length > 0) {
    throw new Problem(
      'upstream-denied',
      `Cannot fetch ${showUrl(url)}: the host has a private or reserved address, and base_url does not`,
      { host: target.host },
    )
  }
  if (isByName) return null
  const dial = tools.dialer ?? (address => address)
  return permitted.map(ip => dial({ ip, port: portOf(target) }, target.hostname))
}

async function resolve(tools: RouteTools, target: URL): Promise<readonly string[]> {
  if (isAddress(target.hostname)) return [stripBrackets(target.hostname)]
  const { resolver } = tools
  if (resolver === null) return []
  const late = new AbortController()
  const disarm = armDeadline(tools.clock, tools.connectMs, () => {
    late.abort(hopProblem(target.href, 'slow-connect', 'the name was not resolved'))
  })
  try {
    const ips = await untilAborted(resolver(target.hostname, portOf(target)), late.signal)
    if (ips.length === 0) throw hopProblem(target.href, 'unknown-name')
    return ips
  } catch (error) {
    throw toHopProblem(target.href, error)
  } finally {
    disarm()
  }
}

/**
 * Where somebody else resolves the name: literals are checked as ever, names as far as they are known here.
 * A name unknown here is the proxy's or the platform's to judge.
 */
async function guess(tools: RouteTools, target: URL, isOwn: boolean): Promise<readonly string[]> {
  if (/^(.*\.)?localhost\.?$/.test(target.hostname)) return ['127.0.0.1']
  if (isOwn && !isAddress(target.hostname)) return []
  const quick = { ...tools, connectMs: Math.min(tools.connectMs, GUESS_MS) }
  return await resolve(quick, target).catch(() => [])
}

const GUESS_MS = 1_000

async function isPrivate(
  tools: RouteTools,
  base: URL,
  origin: Origin,
  whereabouts: Whereabouts,
): Promise<boolean> {
  if (whereabouts.originIsPrivate === undefined) {
    const isByName = tools.resolver === null || origin.proxy !== undefined
    const ips = isByName ? await guess(tools, base, false) : await resolve(tools, base).catch(() => [])
    whereabouts.originIsPrivate = hasPrivate(ips.map(classifyAddress))
  }
  return whereabouts.originIsPrivate
}

/** Private as a whole: one public address among them means that the origin is a public one. */
function hasPrivate(classes: Iterable<AddressClass>): boolean {
  const all = [...classes]
  return all.length > 0 && all.every(found => found !== 'public')
}
