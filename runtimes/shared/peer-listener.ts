// The address at which the other processes of the same stores reach this one: a listener of its own, so that what
// replicas say to each other never passes the door of the clients.

import { networkInterfaces } from 'node:os'
import type { Environment, ListenAddress } from './environment.ts'
import type { HttpServer, Listening } from './http-server.ts'
import type { WorkerPlace } from './worker-place.ts'

export interface PeerListener {
  /** `host:port`, as the others use it. */
  readonly address: string
  /** Until then the others are told to come again. */
  open(answer: (request: Request) => Promise<Response>): void
  readonly listening: Listening
}

/** Null where no other process shares the stores. */
export async function openPeerListener(
  server: HttpServer,
  environment: Environment,
  place: WorkerPlace | null,
  onError: (error: unknown) => void,
): Promise<PeerListener | null> {
  const { advertise, backends } = environment
  if (backends.postgres === null && place === null) return null
  let answer = async (_request: Request) => new Response(null, { status: 503 })
  const at = backends.postgres === null ? OWN_MACHINE : placeOf(advertise, place)
  const listening = await server.listen({ address: at, answer: request => answer(request), onError })
  const host = backends.postgres === null ? '127.0.0.1' : (advertise?.host ?? addressOfMachine())
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${listening.port}`,
    open(opened) {
      answer = opened
    },
    listening,
  }
}

/** Processes of one machine need nobody else. */
const OWN_MACHINE: ListenAddress = { host: '127.0.0.1', port: 0 }

/** The host that is advertised may be a name of somebody else's (a load balancer, a pod): the port is what is ours. */
function placeOf(advertise: ListenAddress | null, place: WorkerPlace | null): ListenAddress {
  if (advertise === null) return { host: null, port: 0 }
  return { host: null, port: advertise.port === 0 ? 0 : advertise.port + (place?.index ?? 0) }
}

function addressOfMachine(): string {
  const all = Object.values(networkInterfaces()).flatMap(each => each ?? [])
  const found = all.find(each => !each.internal && each.family === 'IPv4') ?? all.find(each => !each.internal)
  return found?.address ?? '127.0.0.1'
}
