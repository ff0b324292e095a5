// The rows, where the environment wants them: Postgres when any of its variables is set, and only then is its code loaded;
// else SQLite below DATA_DIR.

import { join } from 'node:path'
import { createDatabaseLease } from '../../src/drivers/database-lease.ts'
import { below } from './data-dir.ts'
import type { Environment } from './environment.ts'
import type { DatabaseSenses, OpenedDatabase } from './opened-stores.ts'
import { createProcessBroadcast } from './process-broadcast.ts'
import { createSqliteDatabase } from './sqlite-database.ts'

export async function openDatabase(
  environment: Environment,
  senses: DatabaseSenses,
): Promise<OpenedDatabase> {
  const { postgres } = environment.backends
  if (postgres === null) return openSqlite(environment, senses)
  const { openPostgres } = await import('./open-postgres.ts')
  return openPostgres(postgres, senses)
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
