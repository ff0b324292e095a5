// Bun's own server: files by sendfile, no time limits but the application's, and paths read as they were sent.

import type { HttpServer, Listening, ListenOptions } from '../shared/http-server.ts'
import { everyInterface, internalError, plainAddress } from '../shared/http-server.ts'
import { createBunDelivery } from './delivery.ts'
import { createRawPathRoutes } from './raw-path.ts'

export function createBunServer(): HttpServer {
  return { delivery: createBunDelivery(), listen }
}

async function listen({ address, isSharedPort = false, answer, onError }: ListenOptions): Promise<Listening> {
  // Not an async function: a promise for every hit costs a tenth of them.
  const serve = (request: Request, server: Bun.Server<undefined>) =>
    answer(request, new BunClient(request, server))
  const server = Bun.serve({
    hostname: address.host ?? everyInterface(),
    port: address.port,
    reusePort: isSharedPort,
    // Downloads last as long as they last; stalled ones are the application's to end.
    idleTimeout: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    routes: createRawPathRoutes(serve),
    fetch: serve,
    error(error) {
      onError(error)
      return internalError()
    },
  })
  return {
    port: server.port ?? address.port,
    stop: () => server.stop(),
    kill: () => server.stop(true),
  }
}

/** Its address is looked up only for those who ask: few requests need it, and a lookup costs as much as an answer. */
class BunClient {
  readonly #request: Request
  readonly #server: Bun.Server<undefined>

  constructor(request: Request, server: Bun.Server<undefined>) {
    this.#request = request
    this.#server = server
  }

  get address(): string | null {
    return plainAddress(this.#server.requestIP(this.#request)?.address)
  }
}
