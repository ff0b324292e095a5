// The transport of Bun, on its fetch: the address in the URL, the name in `Host` and in TLS, nothing decoded, nothing
// followed. Bun's fetch has no deadline for connecting and no limit for headers worth the name; both are here.

import tls from 'node:tls'
import { hopProblem, toHopProblem } from '../../src/drivers/hop-failure.ts'
import type { Address, Hop, RawResponse, Transport } from '../../src/ports/transport.ts'

export function createFetchTransport(): Transport {
  const trust = createTrust()
  // Bun keeps its idle connections by itself and lets the process end with them.
  return { send: hop => send(hop, trust(hop.ca)), close: async () => {} }
}

async function send(hop: Hop, ca: string[] | undefined): Promise<RawResponse> {
  const url = new URL(hop.url)
  const host = url.host
  const serverName = url.hostname.replace(/^\[|\]$/g, '')
  if (hop.address !== null) pin(url, hop.address)
  const exchange = new AbortController()
  const breakOff = () => exchange.abort(hop.signal.reason)
  if (hop.signal.aborted) breakOff()
  hop.signal.addEventListener('abort', breakOff)
  const isDoubtful = doubt(hop, exchange)
  try {
    const response = await fetch(url, {
      method: hop.method,
      body: hop.body ?? null,
      headers: { ...hop.headers, host },
      redirect: 'manual',
      decompress: false,
      proxy: hop.proxy ?? false,
      // Bun's own idle limit of five minutes also counts the time a body waits for its reader.
      timeout: false,
      tls: { serverName, ca },
      signal: exchange.signal,
    })
    if (sizeOf(response.headers) > hop.headerLimitBytes) {
      throw hopProblem(hop.url, 'malformed', `more than ${hop.headerLimitBytes} bytes of headers`)
    }
    // The listener stays while the body may be read; both go with the hop.
    return { status: response.status, headers: response.headers, body: response.body }
  } catch (error) {
    hop.signal.removeEventListener('abort', breakOff)
    const reason: unknown = exchange.signal.aborted ? exchange.signal.reason : error
    exchange.abort()
    throw toHopProblem(hop.url, reason)
  } finally {
    isDoubtful.settle()
  }
}

function pin(url: URL, { ip, port }: Address): void {
  url.hostname = ip.includes(':') ? `[${ip}]` : ip
  url.port = String(port)
}

/**
 * fetch cannot tell "no connection" from "no answer". When no headers have come for a while, a second connection
 * knocks at the same address: if it does not open either by the deadline, the first one never did.
 */
function doubt(hop: Hop, exchange: AbortController): { settle(): void } {
  const { address } = hop
  if (address === null) return { settle() {} }
  let isOver = false
  let timer = setTimeout(knock, hop.connectMs / 4)
  function knock() {
    timer = setTimeout(giveUp, hop.connectMs * 0.75)
    const socket = {
      open(opened: { end(): void }) {
        clearTimeout(timer)
        opened.end()
      },
      data() {},
      error() {},
    }
    // A refusal here is for fetch to find out.
    Bun.connect({ hostname: address?.ip ?? '', port: address?.port ?? 0, socket })
      .then(opened => isOver && opened.end())
      .catch(() => clearTimeout(timer))
  }
  function giveUp() {
    if (!isOver) exchange.abort(hopProblem(hop.url, 'slow-connect'))
  }
  return {
    settle() {
      isOver = true
      clearTimeout(timer)
    },
  }
}

/** `ca` in fetch replaces the usual authorities, so they are named along. */
function createTrust(): (ca: string | undefined) => string[] | undefined {
  const lists = new Map<string, string[]>()
  return ca => {
    if (ca === undefined) return undefined
    const list = lists.get(ca) ?? [...(tls.getCACertificates?.('default') ?? tls.rootCertificates), ca]
    lists.set(ca, list)
    return list
  }
}

function sizeOf(headers: Headers): number {
  let bytes = 0
  for (const [name, value] of headers) bytes += name.length + value.length + 4
  return bytes
}
