// Commands on what is stored, also beside a running server: `verify` reads every blob back and compares it with its
// name, with `--repair` every row is checked too and what can be is set right, `collect` removes the bytes that nothing
// refers to any more.

import { statSync } from 'node:fs'
import type { App } from '../../src/app.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Environment } from './environment.ts'
import type { Ground } from './ground.ts'
import { openApp } from './open-app.ts'
import { createPlainLog } from './plain-log.ts'
import { plural, printBytes } from './progress-lines.ts'
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

/** The exit code: 1 when something is lost for good, or could not be read. */
export function repair(ground: Ground, environment: Environment): Promise<number> {
  return withStore('verify', ground, environment, async app => {
    const done = await app.repair(finding => writeText(1, `${printFinding(finding)}\n`))
    writeText(
      1,
      `${plural(done.rows, 'row')} and ${plural(done.blobs, 'blob')} (${printBytes(done.bytes)}) checked: `,
    )
    if (done.found === 0) writeText(1, 'all is sound\n')
    else if (done.lost + done.unreadable === 0) writeText(1, `${plural(done.found, 'fault')}, all repaired\n`)
    else {
      writeText(
        1,
        `${plural(done.found, 'fault')}; ${plural(done.lost, 'upload')} lost: upload again, or restore a backup; ` +
          `${plural(done.unreadable, 'blob')} unreadable\n`,
      )
    }
    if (done.unknown > 0) {
      writeText(
        1,
        `${plural(done.unknown, 'blob')} (${printBytes(done.unknownBytes)}) in the store that the catalog does not know: they stay, as another program may have put them there\n`,
      )
    }
    return done.lost + done.unreadable === 0 ? 0 : 1
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
  const opened = await openApp({
    runtime: ground.runtime,
    environment: withDirectory(command, environment),
    transport: ground.openTransport(),
    delivery: createStreamDelivery(),
    // What the command prints says nearly all.
    log: createPlainLog('error'),
    adminToken: null,
  })
  try {
    return await work(opened.app)
  } finally {
    await opened.close()
  }
}

/** Where nothing but the disk in front of S3 would be in the directory, it need not be there. */
function withDirectory(command: string, environment: Environment): Environment {
  const { dataDir, backends } = environment
  if (statSync(dataDir, { throwIfNoEntry: false })?.isDirectory() === true) return environment
  if (backends.postgres !== null && backends.s3 !== null)
    return { ...environment, backends: { ...backends, blobCache: null } }
  throw new Problem('not-found', `Cannot ${command} DATA_DIR ${dataDir}: there is no such directory`)
}

type Finding = Parameters<Parameters<App['repair']>[0]>[0]

function printFinding(finding: Finding): string {
  const row = (word: string, rest: string) => `${word.padEnd(10)}  ${rest}`
  switch (finding.kind) {
    case 'blob': {
      const { verdict, sha256, objects, lost } = finding
      const names = objects.join(', ') || '(nothing refers to it)'
      return row(verdict, `sha256:${sha256}  ${names}${lost.length > 0 ? `  LOST: ${lost.join(', ')}` : ''}`)
    }
    case 'unbooked':
    case 'missized':
      return row(finding.kind, `sha256:${finding.sha256}  ${finding.object}`)
    case 'stray':
    case 'unknown':
      return row(finding.kind, `sha256:${finding.sha256}  ${finding.size} bytes`)
    case 'figures': {
      const { repository, bytes, objects } = finding
      const of = repository === '' ? `all blobs: ${objects} blobs` : `${repository}: ${objects} objects`
      return row('figures', `${of} and ${bytes} bytes too many`)
    }
  }
}
