// Commands on what is stored, also beside a running server: `verify` reads every blob back and compares it with its
// name, `collect` removes the bytes that nothing refers to any more.

import { statSync } from 'node:fs'
import type { App } from '../../src/app.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Environment } from './environment.ts'
import type { Ground } from './ground.ts'
import { openApp, openLog } from './open-app.ts'
import { writeText } from './standard-output.ts'
import { createStreamDelivery } from './stream-delivery.ts'

/** The exit code: 1 when something was damaged. */
export function verify(ground: Ground, environment: Environment): Promise<number> {
  return withStore('verify', ground, environment, async app => {
    const { blobs, bytes, faulty } = await app.verify()
    const rows = faulty.map(({ verdict, sha256, objects }) => {
      return `${verdict.padEnd(10)}  sha256:${sha256}  ${objects.join(', ') || '(nothing refers to it)'}\n`
    })
    writeText(1, rows.join(''))
    writeText(1, `${blobs} blobs, ${bytes} bytes read back: ${faulty.length} faulty\n`)
    return faulty.length === 0 ? 0 : 1
  })
}

export function collect(ground: Ground, environment: Environment, isDryRun: boolean): Promise<number> {
  return withStore('collect', ground, environment, async app => {
    const { blobs, bytes, waiting } = await app.collect(isDryRun)
    const verb = isDryRun ? 'would be removed' : 'removed'
    writeText(
      1,
      `${blobs} blobs, ${bytes} bytes ${verb}; ${waiting.blobs} blobs, ${waiting.bytes} bytes wait for their grace to pass\n`,
    )
    return 0
  })
}

async function withStore(
  command: string,
  ground: Ground,
  environment: Environment,
  work: (app: App) => Promise<number>,
): Promise<number> {
  const { dataDir } = environment
  if (statSync(dataDir, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new Problem('not-found', `Cannot ${command} DATA_DIR ${dataDir}: there is no such directory`)
  }
  const opened = await openApp({
    runtime: ground.runtime,
    environment,
    transport: ground.openTransport(),
    delivery: createStreamDelivery(),
    // What the command prints says it all; a log of the same would only be in its way.
    log: openLog({ ...environment, logLevel: 'error' }),
    adminToken: null,
  })
  try {
    return await work(opened.app)
  } finally {
    await opened.close()
  }
}
