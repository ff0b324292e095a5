import { expect, it } from 'vitest'
import { createMemoryLease } from '../../src/drivers/memory-lease.ts'
import { describeLease } from '../contracts/lease.ts'
import { FakeClock } from '../fake-clock.ts'

describeLease('memory', async () => {
  const clock = new FakeClock()
  return { lease: createMemoryLease(clock), pass: seconds => clock.advance(seconds * 1000) }
})

it('memory lease tokens grow over a restart of the process', async () => {
  const clock = new FakeClock()
  const before = await createMemoryLease(clock).acquire('a', 60)
  await clock.advance(5)
  const after = await createMemoryLease(clock).acquire('a', 60)
  expect(after!.token).toBeGreaterThan(before!.token)
})

it('memory lease still refuses held names after thousands have been taken and left to expire', async () => {
  const clock = new FakeClock()
  const lease = createMemoryLease(clock)
  await lease.acquire('kept', 3600)
  for (let i = 0; i < 3000; i++) {
    await lease.acquire(`gone/${i}`, 1)
    if (i % 500 === 0) await clock.advance(2000)
  }
  expect(await lease.acquire('kept', 1)).toBe(null)
})
