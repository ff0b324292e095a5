// Deno's own server. It shows paths as they were sent, dots and backslashes included.

import type { HttpServer, Listening, ListenOptions } from '../shared/http-server.ts'
import { everyInterface, internalError, plainAddress } from '../shared/http-server.ts'
import { createStreamDelivery } from '../shared/stream-delivery.ts'
import { isUnsafeTarget, refuseUnsafePath } from '../shared/unsafe-path.ts'
import type { DenoServer } from './deno.ts'

export function createDenoServer(): HttpServer {
  return { delivery: createStreamDelivery(), listen }
}

async function listen({ address, answer, onError }: ListenOptions): Promise<Listening> {
  const abort = new AbortController()
  const server: DenoServer = Deno.serve(
    {
      hostname: address.host ?? everyInterface(),
      port: address.port,
      signal: abort.signal,
      onListen: () => {},
      onError(error) {
        onError(error)
        return internalError()
      },
    },
    (request, info) => {
      const target = request.url.slice(request.url.indexOf('/', request.url.indexOf('://') + 3))
      return isUnsafeTarget(target)
        ? refuseUnsafePath()
        : answer(request, { address: plainAddress(info.remoteAddr.hostname) })
    },
  )
  return {
    port: server.addr.port,
    stop: () => server.shutdown(),
    async kill() {
      abort.abort()
    },
  }
}
