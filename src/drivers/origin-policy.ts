// Where an origin may lead, and what each host on the way gets to see. A client's path stays below `base_url`;
// what the origin itself names follows `allowed_hosts`; credentials never leave the origin's own scheme, host and port.

import { isSameHost, type Origin } from '../model/origin.ts'
import { Problem } from '../model/problem.ts'
import type { UpstreamRequest } from '../ports/upstream.ts'
import { showUrl } from './hop-failure.ts'

/** The first URL of an exchange, in the one spelling that is checked and sent. */
export function firstUrl(request: UpstreamRequest): string {
  const url = toUrl(request.url, request.origin)
  if (request.isNamedByOrigin) checkHost(url, request.origin)
  else checkPrefix(url, request.origin)
  return url.href
}

/** Where a redirect leads, or null when `status` is not one that is followed. */
export function redirectUrl(from: string, status: number, headers: Headers, origin: Origin): string | null {
  if (!REDIRECTS.has(status)) return null
  const location = headers.get('location')
  if (location === null || !URL.canParse(location, from)) {
    throw new Problem(
      'upstream-broken',
      `Cannot fetch ${showUrl(from)}: status ${status} names no usable Location`,
    )
  }
  const url = toUrl(new URL(location, from).href, origin)
  const isDowngrade = url.protocol === 'http:' && from.startsWith('https:')
  if (isDowngrade && !origin.baseUrl.startsWith('http:')) {
    throw denied(url, 'the redirect leads from https to http')
  }
  checkHost(url, origin)
  return url.href
}

/** What is sent to the host of `url`. */
export function headersFor(url: string, request: UpstreamRequest, userAgent: string): Record<string, string> {
  const { origin } = request
  const isOwn = new URL(url).origin === new URL(origin.baseUrl).origin
  const sent: Record<string, string> = { accept: '*/*', 'user-agent': userAgent }
  if (isOwn && origin.username !== undefined) {
    sent.authorization = printBasic(origin.username, origin.password ?? '')
  }
  const secret = new Set(Object.keys(origin.headers).map(lower))
  const wanted = isOwn
    ? { ...lowerNames(origin.headers), ...lowerNames(request.headers ?? {}) }
    : lowerNames(request.headers ?? {})
  for (const [name, value] of Object.entries(wanted)) {
    if (OURS.has(name)) continue
    if (isOwn || !(CREDENTIALS.has(name) || secret.has(name))) sent[name] = value
  }
  sent['accept-encoding'] = 'identity'
  return sent
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** Made by us or by the transport, whoever asks for them. */
const OURS = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const CREDENTIALS = new Set(['authorization', 'cookie'])

/** http(s) only; a user name in the URL is dropped, and so is the fragment. */
function toUrl(text: string, origin: Origin): URL {
  if (!URL.canParse(text)) {
    throw new Problem('upstream-denied', `Cannot fetch for ${origin.repository}: the URL cannot be read`)
  }
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new Problem(
      'upstream-denied',
      `Cannot fetch for ${origin.repository}: "${url.protocol}" is neither http nor https`,
    )
  }
  url.username = ''
  url.password = ''
  url.hash = ''
  return url
}

/** After the URL parser has collapsed every `..` it knows, encoded ones included. */
function checkPrefix(url: URL, origin: Origin): void {
  const base = new URL(origin.baseUrl)
  const prefix = base.pathname.replace(/\/+$/, '')
  const isBelow = url.pathname === prefix || url.pathname.startsWith(`${prefix}/`)
  if (url.origin !== base.origin || !isBelow) throw denied(url, `it is outside ${showUrl(origin.baseUrl)}`)
  // Many servers decode %2F and %5C before they climb.
  const segments = url.pathname
    .replace(/%2f|%5c/gi, '/')
    .replace(/%2e/gi, '.')
    .split('/')
  if (segments.includes('..')) throw denied(url, 'its path climbs')
}

function checkHost(url: URL, origin: Origin): void {
  const { allowedHosts } = origin
  if (allowedHosts === 'any' || isSameHost(origin, url.href)) return
  if (allowedHosts === 'same') throw denied(url, 'allowed_hosts is "same"')
  if (!allowedHosts.some(name => matchesHost(url, lower(name)))) {
    throw denied(url, 'its host is not among allowed_hosts')
  }
}

/** A name with a port means that port, a name without one means all; `*.name` means every host below it. */
function matchesHost(url: URL, name: string): boolean {
  if (name.startsWith('*.')) return url.hostname.endsWith(name.slice(1)) || url.host.endsWith(name.slice(1))
  return name === url.hostname || name === url.host || name === `${url.hostname}:${portOf(url)}`
}

export function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}

function denied(url: URL, why: string): Problem {
  return new Problem('upstream-denied', `Cannot fetch ${showUrl(url.href)}: ${why}`, { host: url.host })
}

function printBasic(username: string, password: string): string {
  const bytes = new TextEncoder().encode(`${username}:${password}`)
  return `Basic ${btoa(String.fromCharCode(...bytes))}`
}

function lowerNames(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [lower(name), value]))
}

function lower(text: string): string {
  return text.toLowerCase()
}
