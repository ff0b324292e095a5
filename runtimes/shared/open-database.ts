// The rows, where the environment wants them: Postgres when any of its variables is set, else SQLite below DATA_DIR.

import { join } from 'node:path'
import { Problem } from '../../src/model/problem.ts'
import type { Broadcast } from '../../src/ports/broadcast.ts'
import type { Database } from '../../src/ports/database.ts'
import type { Lease } from '../../src/ports/lease.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Part } from '../../src/services.ts'
import { below } from './data-dir.ts'
import type { Environment } from './environment.ts'
import { createProcessBroadcast } from './process-broadcast.ts'
import { createSqliteDatabase } from './sqlite-database.ts'
import type { WorkerPlace } from './worker-place.ts'

export interface OpenedDatabase {
  readonly database: Database
  /** True when processes on other machines use the same rows. */
  readonly isShared: boolean
  /** Leases kept in the rows; null where this process is the only one. */
  readonly lease: Lease | null
  /** Messages to the others who use the same rows; null where there are none. */
  readonly broadcast: Broadcast | null
  readonly part: Part
}

export interface DatabaseSenses {
  readonly log: Log
  /** One of several processes that share this machine's file; null = this process is the only one. */
  readonly place: WorkerPlace | null
}

export function openDatabase(environment: Environment, { place }: DatabaseSenses): OpenedDatabase {
  if (environment.backends.postgres !== null) throw new Problem('not-built', 'Cannot use Postgres: not built')
  const { dataDir } = environment
  const database = createSqliteDatabase({ path: join(dataDir, 'catalog.db') })
  return {
    database,
    isShared: false,
    lease: null,
    broadcast: place === null ? null : createProcessBroadcast(),
    part: {
      name: 'catalog',
      product: `SQLite ${below(dataDir, 'catalog.db')}`,
      isNeeded: true,
      check: async () => {
        await database.query('select 1 as one')
      },
    },
  }
}
