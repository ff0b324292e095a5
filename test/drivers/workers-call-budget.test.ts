import { expect, it } from 'vitest'
import { createCallBudget } from '../../runtimes/workers/call-budget.ts'
import type { R2BucketLike } from '../../runtimes/workers/r2-bucket.ts'
import { createMemoryLease } from '../../src/drivers/memory-lease.ts'
import type { Database } from '../../src/ports/database.ts'
import { FakeClock } from '../fake-clock.ts'

const database: Database = {
  nowSql: '0',
  query: async () => [],
  batch: async statements => statements.map(() => []),
  snapshot: async () => {},
  close: async () => {},
}

it('counts queries, each statement of a batch, calls of the bucket and of leases', async () => {
  const budget = createCallBudget(100)
  await budget.database(database).query('select 1')
  await budget.database(database).batch([{ sql: 'a' }, { sql: 'b' }, { sql: 'c' }])
  expect(budget.spent).toBe(4)
  const head = async () => null
  const bucket = budget.bucket({ head, get: head, delete: async () => {} } as unknown as R2BucketLike)
  await bucket.head('a')
  await bucket.get('a')
  await bucket.delete(['a', 'b'])
  expect(budget.spent).toBe(7)
  const lease = budget.lease(createMemoryLease(new FakeClock()))
  await (await lease.acquire('a', 1))?.release()
  await lease.holder('a')
  expect(budget.spent).toBe(9)
})

it('stops who has spent his share, with enough left for putting things in order', async () => {
  const budget = createCallBudget(115)
  const spend = (count: number) => budget.database(database).batch(Array(count).fill({ sql: 'a' }))
  const half = budget.allowance(0.5)
  await spend(49)
  expect(half.aborted).toBe(false)
  await spend(1)
  expect(half.aborted).toBe(true)
  const rest = budget.allowance(1)
  await spend(49)
  expect(rest.aborted).toBe(false)
  await spend(1)
  expect(rest.aborted).toBe(true)
  expect(budget.allowance(1).aborted).toBe(true)
})
