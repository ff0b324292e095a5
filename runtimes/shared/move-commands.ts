// Commands that move all of a store: into another store, into a file, and back. How far they are goes to standard error.
// Exit code 1 means that something was left behind, which was said.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { stores } from '../../src/app.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import { Problem } from '../../src/model/problem.ts'
import { createBackupTarget, openBackupSource } from './backup-file.ts'
import type { Environment } from './environment.ts'
import { createFileBlobs } from './file-blobs.ts'
import type { Ground } from './ground.ts'
import { nodeHasher } from './node-hasher.ts'
import { type OpenedStore, openStore, placesOf } from './open-store.ts'
import { createPlainLog } from './plain-log.ts'
import { createProgressLines, type Progress, plural, printBytes } from './progress-lines.ts'
import { writeText } from './standard-output.ts'
import { environmentOf, printStoreName, type StoreName } from './store-name.ts'
import { version } from './version.ts'

export async function migrateStore(ground: Ground, from: StoreName, to: StoreName): Promise<number> {
  const readFile = (path: string) => readFileSync(path, 'utf8')
  const source = environmentOf(from, process.env, readFile)
  const target = environmentOf(to, process.env, readFile)
  const [ours, theirs] = [placesOf(source), placesOf(target)]
  const hasSameBlobs = ours.blobs === theirs.blobs
  if (ours.rows === theirs.rows && hasSameBlobs) {
    throw new Problem(
      'bad-request',
      `Cannot move ${printStoreName(from)} to ${printStoreName(to)}: they are the same store`,
    )
  }
  const tell = createTeller(1, 'target')
  return withStore(ground, source, false, a =>
    withStore(ground, target, true, async b => {
      tell.say(`From ${a.product}`)
      tell.say(`To ${b.product}`)
      const report = createProgressLines()
      const moved = await stores.move(a.parts, b.parts, { hasSameBlobs, report, fault: tell.fault })
      tell.say(`Moved ${tell.amount(moved)}. All else was there`)
      tell.rest(moved)
      const until = new Date(moved.asOf).toISOString()
      tell.say(
        `What was written before ${until} is in the target. ` +
          'What is written to the source from now on, or dropped from it, is not: stop the source, and run this again before the target takes over',
      )
      if (!moved.isSettled) tell.say('The source changed all the time: its last changes are missing')
      if (hasSameBlobs)
        tell.say('Both use the same blobs: the source must not run any more once the target does')
      return moved.faults === 0 && moved.isSettled ? 0 : 1
    }),
  )
}

export async function backup(
  ground: Ground,
  environment: Environment,
  { file, isWithoutCache }: { readonly file: string; readonly isWithoutCache: boolean },
): Promise<number> {
  const tell = createTeller(file === '-' ? 2 : 1, 'backup')
  return withStore(ground, environment, false, async ({ parts }) => {
    const target = createBackupTarget(file)
    const directory = mkdtempSync(join(tmpdir(), 'artifactapi-backup-'))
    try {
      const made = await stores.backup(parts, {
        room: createFileBlobs({
          directory,
          hasher: nodeHasher,
          clock: createSystemClock(),
          log: createPlainLog('info'),
        }),
        hasher: nodeHasher,
        program: version,
        isWithoutCache,
        write: target.write,
        report: createProgressLines(),
        fault: tell.fault,
      })
      await target.finish()
      tell.say(`Backed up ${tell.amount(made)}. It may hold secrets: keep it like one`)
      if (made.leftOut > 0)
        tell.say(
          `${plural(made.leftOut, 'object was', 'objects were')} dropped or replaced meanwhile, and left out`,
        )
      tell.rest(made)
      return made.faults === 0 ? 0 : 1
    } finally {
      target.discard()
      rmSync(directory, { recursive: true, force: true })
    }
  })
}

export async function restore(
  ground: Ground,
  environment: Environment,
  { file, isForced }: { readonly file: string; readonly isForced: boolean },
): Promise<number> {
  const tell = createTeller(1, 'store')
  const from = await openBackupSource(file)
  return withStore(ground, environment, true, async ({ parts }) => {
    const lines = createProgressLines()
    let isBegun = false
    const report = (progress: Progress) => {
      isBegun = true
      lines(progress)
    }
    try {
      const restored = await stores.restore(from, parts, {
        hasher: nodeHasher,
        isForced,
        report,
        fault: tell.fault,
      })
      const at = new Date(restored.createdAt).toISOString()
      tell.say(`Restored ${tell.amount(restored)}, as of ${at}. All else was there`)
      tell.rest(restored)
      return restored.faults === 0 ? 0 : 1
    } catch (error) {
      if (isBegun) tell.say('What came whole until then is restored, and stays. Run this again: it goes on')
      throw error
    }
  })
}

async function withStore(
  ground: Ground,
  environment: Environment,
  isNew: boolean,
  work: (store: OpenedStore) => Promise<number>,
): Promise<number> {
  const transport = ground.openTransport()
  try {
    const store = await openStore(environment, { isNew, transport, log: createPlainLog('info') })
    try {
      return await work(store)
    } finally {
      await store.close()
    }
  } finally {
    await transport.close()
  }
}

interface Amount {
  readonly objects: number
  readonly blobs: number
  readonly bytes: number
  readonly repositories: number
  readonly secrets: number
}

interface Rest {
  readonly faults: number
  readonly outdated?: number
  readonly keptSecrets?: readonly string[]
}

/** What a command has to say, in the same words. `where`: what it writes to. */
function createTeller(fd: 1 | 2, where: string) {
  const say = (line: string) => writeText(fd, `${line}\n`)
  return {
    say,
    fault({ fault, sha256, object }: { fault: string; sha256: string; object: string }) {
      say(`${fault.padEnd(10)}  sha256:${sha256}  ${object}`)
    },
    amount: ({ objects, blobs, bytes, repositories, secrets }: Amount): string =>
      [
        plural(objects, 'object'),
        `${plural(blobs, 'blob')} (${printBytes(bytes)})`,
        plural(repositories, 'repository', 'repositories'),
        plural(secrets, 'secret'),
      ].join(', '),
    rest({ faults, outdated = 0, keptSecrets = [] }: Rest) {
      if (outdated > 0) say(`${plural(outdated, 'object is', 'objects are')} newer in the ${where}, and stay`)
      if (keptSecrets.length > 0) say(`The ${where} keeps its own secrets: ${keptSecrets.join(', ')}`)
      if (faults > 0)
        say(
          `${plural(faults, 'object has', 'objects have')} no good bytes, and ${faults === 1 ? 'is' : 'are'} not in the ${where}: see above`,
        )
    },
  }
}
