// `artifactapi verify`: every stored blob read back and compared with its name, also beside a running server.

import { statSync } from 'node:fs'
import { Problem } from '../../src/model/problem.ts'
import type { Environment } from './environment.ts'
import type { Ground } from './ground.ts'
import { openApp, openLog } from './open-app.ts'
import { writeText } from './standard-output.ts'
import { createStreamDelivery } from './stream-delivery.ts'

/** The exit code: 1 when something was damaged. */
export async function verify(ground: Ground, environment: Environment): Promise<number> {
  const { dataDir } = environment
  if (statSync(dataDir, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new Problem('not-found', `Cannot verify DATA_DIR ${dataDir}: there is no such directory`)
  }
  const opened = await openApp({
    runtime: ground.runtime,
    environment,
    transport: ground.openTransport(),
    delivery: createStreamDelivery(),
    // The table below says it all; a log of the same would only be in its way.
    log: openLog({ ...environment, logLevel: 'error' }),
    adminToken: null,
  })
  try {
    const { blobs, bytes, faulty } = await opened.app.verify()
    const rows = faulty.map(({ verdict, sha256, objects }) => {
      return `${verdict.padEnd(10)}  sha256:${sha256}  ${objects.join(', ') || '(nothing refers to it)'}\n`
    })
    writeText(1, rows.join(''))
    writeText(1, `${blobs} blobs, ${bytes} bytes read back: ${faulty.length} faulty\n`)
    return faulty.length === 0 ? 0 : 1
  } finally {
    await opened.close()
  }
}
