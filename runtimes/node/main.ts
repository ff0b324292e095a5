// artifactapi on Node. The version is looked at before anything is loaded that older ones cannot load.

const NEEDED = [22, 13] as const

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1])) {
  process.stderr.write(
    `artifactapi: Cannot run on Node ${process.versions.node}: it needs Node ${NEEDED.join('.')} or newer. Install that, or run "npm start"\n`,
  )
  process.exit(1)
}

const [{ runProgram }, { createUndiciTransport }, { createNodeServer }] = await Promise.all([
  import('../shared/program.ts'),
  import('../shared/undici-transport.ts'),
  import('./server.ts'),
])

await runProgram({
  runtime: 'node',
  openTransport: createUndiciTransport,
  openServer: async choice => (choice === 'bun' ? null : createNodeServer()),
})

// Makes this file a module although it imports nothing by name.
export {}
