// The rows, where the environment wants them: Postgres when any of its variables is set, else SQLite below DATA_DIR.

import { join } from 'node:path'
import { createDatabaseLease } from '../../src/drivers/database-lease.ts'
import { createPostgresBroadcast } from '../../src/drivers/postgres-broadcast.ts'
import type { PostgresOptions } from '../../src/drivers/postgres-connection.ts'
import { createPostgresDatabase } from '../../src/drivers/postgres-database.ts'
import { createPostgresPool } from '../../src/drivers/postgres-pool.ts'
import { printPlace } from '../../src/drivers/postgres-problems.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Broadcast } from '../../src/ports/broadcast.ts'
import type { Database } from '../../src/ports/database.ts'
import type { Lease } from '../../src/ports/lease.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Part } from '../../src/services.ts'
import { below } from './data-dir.ts'
import type { Environment } from './environment.ts'
import { connectPostgres } from './postgres-connection.ts'
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

export function openDatabase(environment: Environment, senses: DatabaseSenses): OpenedDatabase {
  const { postgres } = environment.backends
  return postgres === null ? openSqlite(environment, senses) : openPostgres(postgres, senses)
}

function openSqlite({ dataDir }: Environment, { place }: DatabaseSenses): OpenedDatabase {
  const database = createSqliteDatabase({ path: join(dataDir, 'catalog.db') })
  return {
    database,
    isShared: false,
    lease: place === null ? null : createDatabaseLease(database),
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

/** The first call waits for the server, with a line in the log; from then on nobody waits for long. */
function openPostgres(options: PostgresOptions, { log }: DatabaseSenses): OpenedDatabase {
  const clock = createSystemClock()
  const connect = connectPostgres
  // One of them listens to the other processes.
  const rows = { ...options, connections: Math.max(1, options.connections - 1) }
  const pool = createPostgresPool({ options: rows, connect, clock, log })
  const database = createPostgresDatabase(pool, clock)
  return {
    database,
    isShared: true,
    lease: createDatabaseLease(database),
    broadcast: createPostgresBroadcast({ pool, connect, clock, log }),
    part: {
      name: 'catalog',
      product: `${printPlace(options)} schema ${options.schema}`,
      isNeeded: true,
      check: async () => {
        // Calls wait for a server that comes back; who asks for its state is told at once.
        const outage = pool.outage()
        if (outage !== null)
          throw new Problem('database-busy', `Cannot use ${printPlace(options)}: ${outage}`)
        await database.query('select 1 as one')
      },
    },
  }
}
