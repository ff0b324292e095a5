// Sends chosen names elsewhere, like curl's --connect-to: for tests, and for operators who must go around their DNS.
// A name that is mapped counts as public, so every other check still holds.

import type { Address, Dialer, Resolver } from '../ports/transport.ts'

/** Any address of the public internet: it stands for a mapped name while the checks run, and is never dialled. */
const STAND_IN = '93.184.216.34'

/** `routes` maps `host:port` to `address:port` (IPv6 in brackets); what it does not name goes to `resolver`. */
export function connectTo(
  routes: ReadonlyMap<string, string>,
  resolver: Resolver,
): { resolver: Resolver; dialer: Dialer } {
  const addresses = new Map([...routes].map(([from, to]) => [from.toLowerCase(), parseAddress(to)]))
  return {
    resolver: async (host, port) =>
      addresses.has(`${host}:${port}`) ? [STAND_IN] : await resolver(host, port),
    dialer: (address, host) => addresses.get(`${host}:${address.port}`) ?? address,
  }
}

function parseAddress(text: string): Address {
  const colon = text.lastIndexOf(':')
  return { ip: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) }
}
