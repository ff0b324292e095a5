import { afterAll, beforeAll, describe } from 'vitest'
import { describeDatabase } from '../contracts/database.ts'
import { hasPostgres, openPostgres, type PostgresService, startPostgres } from '../services/postgres.ts'

describe.skipIf(!hasPostgres())('Postgres', () => {
  let server: PostgresService
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.stop())

  describeDatabase('Postgres', async () => {
    const { database } = openPostgres(server.options())
    return { database, close: () => database.close() }
  })
})
