// artifactapi on Bun, from source or compiled into one binary.

import { runProgram } from '../shared/program.ts'
import { createFetchTransport } from './fetch-transport.ts'
import { liftFetchLimit } from './lift-fetch-limit.ts'
import { createBunServer } from './server.ts'

liftFetchLimit()
await runProgram({
  runtime: 'bun',
  openTransport: createFetchTransport,
  async openServer(choice) {
    if (choice !== 'node') return createBunServer()
    const { createNodeServer } = await import('../node/server.ts')
    return createNodeServer()
  },
})
