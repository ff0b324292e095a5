// The rows in Postgres, with leases in them and messages beside them.

import { createDatabaseLease } from '../../src/drivers/database-lease.ts'
import { createPostgresBroadcast } from '../../src/drivers/postgres-broadcast.ts'
import type { PostgresOptions } from '../../src/drivers/postgres-connection.ts'
import { createPostgresDatabase } from '../../src/drivers/postgres-database.ts'
import { createPostgresPool } from '../../src/drivers/postgres-pool.ts'
import { printPlace } from '../../src/drivers/postgres-problems.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import { Problem } from '../../src/model/problem.ts'
import type { DatabaseSenses, OpenedDatabase } from './opened-stores.ts'
import { connectPostgres } from './postgres-connection.ts'

/** The first call waits for the server, with a line in the log; from then on nobody waits for long. */
export function openPostgres(options: PostgresOptions, { log }: DatabaseSenses): OpenedDatabase {
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
