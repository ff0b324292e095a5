import { SQLITE_NOW } from '../../src/drivers/sqlite-dialect.ts'
import type { Database, Row } from '../../src/ports/database.ts'
import { describeDatabase } from '../contracts/database.ts'
import { startWorkerdPorts } from '../workerd.ts'

describeDatabase(
  'D1',
  async () => {
    const worker = await startWorkerdPorts()
    const database: Database = {
      nowSql: SQLITE_NOW,
      query: (sql, values = []) => worker.call('database', 'query', sql, values),
      batch: statements => worker.call('database', 'batch', statements),
      async snapshot(statements, take) {
        const pages: [Row[], number][] = await worker.call('database', 'pages', statements)
        for (const [rows, index] of pages) await take(rows, index)
      },
      close: () => worker.call('database', 'close'),
    }
    return { database, close: () => worker.stop() }
  },
  { parametersPerStatement: 100 },
)
