// artifactapi on Deno.

import { runProgram } from '../shared/program.ts'
import { createUndiciTransport } from '../shared/undici-transport.ts'
import { createDenoServer } from './server.ts'

await runProgram({
  runtime: 'deno',
  openTransport: createUndiciTransport,
  openServer: async choice => (choice === null ? createDenoServer() : null),
})
