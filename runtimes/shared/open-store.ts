// Rows and blobs of one store, without an application around them, for the commands that move all of it. They take no
// lock: a server may use the same store.

import { realpathSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { StoreParts } from '../../src/app.ts'
import { createFollowedClock } from '../../src/drivers/followed-clock.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Database } from '../../src/ports/database.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Transport } from '../../src/ports/transport.ts'
import { createDataDir } from './data-dir.ts'
import type { Environment } from './environment.ts'
import { openBlobs } from './open-blobs.ts'
import { openDatabase } from './open-database.ts'
import { createSystemResolver } from './system-resolver.ts'

export interface OpenedStore {
  readonly parts: StoreParts
  /** `SQLite ./data/catalog.db, files in ./data/blobs` */
  readonly product: string
  close(): Promise<void>
}

export interface OpenStoreOptions {
  /** One that is read must be there; one that is written to is made. */
  readonly isNew: boolean
  readonly transport: Transport
  readonly log: Log
}

/** Throws when any part of it cannot be used. */
export async function openStore(
  given: Environment,
  { isNew, transport, log }: OpenStoreOptions,
): Promise<OpenedStore> {
  // What is moved is read once: a disk in front of the store would be filled for nothing.
  const environment = { ...given, backends: { ...given.backends, blobCache: null } }
  if (isNew) makeDirectory(environment)
  else requireDirectory(environment)
  const rows = await openDatabase(environment, { log, place: null })
  const close = async () => {
    await rows.broadcast?.close()
    await rows.database.close()
  }
  try {
    await rows.part.check()
    const own = createSystemClock()
    const clock = rows.isShared ? await followClock(own, rows.database, log) : own
    const resolver = createSystemResolver(own)
    const stored = await openBlobs(environment, { transport, resolver, clock, log })
    for (const part of stored.parts) await part.check()
    return {
      parts: { database: rows.database, blobs: stored.store, clock },
      product: [rows.part, ...stored.parts].map(part => part.product).join(', '),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Processes that share a database have its time. */
async function followClock(own: Clock, database: Database, log: Log): Promise<Clock> {
  const clock = createFollowedClock(own, database, log)
  await clock.adjust()
  return clock
}

/** Where the rows and the blobs of two stores are, to tell whether they are the same. */
export function placesOf({ backends, dataDir }: Environment): {
  readonly rows: string
  readonly blobs: string
} {
  const { postgres, s3 } = backends
  return {
    rows:
      postgres === null
        ? realPath(dataDir)
        : `${postgres.host}:${postgres.port}/${postgres.database}/${postgres.schema}`,
    blobs: s3 === null ? realPath(dataDir) : `${s3.endpoint}/${s3.bucket}`,
  }
}

function makeDirectory({ backends, dataDir }: Environment): void {
  if (backends.postgres === null || backends.s3 === null) createDataDir(dataDir)
}

function requireDirectory({ backends, dataDir }: Environment): void {
  if (backends.postgres !== null && backends.s3 !== null) return
  if (statSync(dataDir, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new Problem('not-found', `Cannot read DATA_DIR ${dataDir}: there is no such directory`)
  if (
    backends.postgres === null &&
    statSync(join(dataDir, 'catalog.db'), { throwIfNoEntry: false }) === undefined
  ) {
    throw new Problem(
      'not-found',
      `Cannot read DATA_DIR ${dataDir}: there is no catalog.db in it, so nothing was ever kept there`,
    )
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}
