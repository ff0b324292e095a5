// What a runtime brings to the program that all three run.

import type { Transport } from '../../src/ports/transport.ts'
import type { Environment } from './environment.ts'
import type { HttpServer } from './http-server.ts'

export interface Ground {
  readonly runtime: 'bun' | 'node' | 'deno'
  openTransport(): Transport
  /** By HTTP_SERVER; null = the runtime's own. Answers null when it has no such server. */
  openServer(choice: Environment['httpServer']): Promise<HttpServer | null>
}
