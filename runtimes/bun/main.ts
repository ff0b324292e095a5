// artifactapi on Bun, from source or compiled into one binary. Everything else is loaded after the process has
// replaced itself, so that it is loaded once.

import { applyEngineSettings } from './engine-settings.ts'

applyEngineSettings()

const [{ runProgram }, { createFetchTransport }, { createBunServer }] = await Promise.all([
  import('../shared/program.ts'),
  import('./fetch-transport.ts'),
  import('./server.ts'),
])

await runProgram({
  runtime: 'bun',
  openTransport: createFetchTransport,
  async openServer(choice) {
    if (choice !== 'node') return createBunServer()
    const { createNodeServer } = await import('../node/server.ts')
    return createNodeServer()
  },
})
