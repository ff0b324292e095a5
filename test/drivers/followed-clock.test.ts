import { describe, expect, it } from 'vitest'
import { createFollowedClock } from '../../src/drivers/followed-clock.ts'
import type { Database } from '../../src/ports/database.ts'
import { FakeClock } from '../fake-clock.ts'
import { listLog } from '../list-log.ts'

describe('a clock that follows the database', () => {
  it.each([600_000, -600_000])('tells its time where the machine is %d ms ahead', async ahead => {
    const { clock, own, logged } = open({ ahead })
    await clock.adjust()
    expect(clock.now()).toBe(own.now() - ahead)
    expect(logged.join('\n')).toMatch(/600\.0 s (ahead of|behind) the database's/)
  })

  it('leaves small differences alone', async () => {
    const { clock, own, logged } = open({ ahead: 900 })
    await clock.adjust()
    expect(clock.now()).toBe(own.now())
    expect(logged).toEqual([])
  })

  it('believes no answer that took longer than the difference', async () => {
    const { clock, own } = open({ ahead: 5_000, tripMs: 12_000 })
    await Promise.all([clock.adjust(), own.advance(12_000)])
    expect(clock.now()).toBe(own.now())
  })

  it('keeps the last difference while the database is away, and asks again every minute', async () => {
    const state = { ahead: 600_000, isAway: false }
    const { clock, own } = open(state)
    const over = new AbortController()
    const following = clock.follow(over.signal)
    await own.advance(60_000)
    expect(clock.now()).toBe(own.now() - 600_000)
    state.isAway = true
    await own.advance(60_000)
    expect(clock.now()).toBe(own.now() - 600_000)
    Object.assign(state, { isAway: false, ahead: 0 })
    await own.advance(60_000)
    expect(clock.now()).toBe(own.now())
    over.abort()
    await following
  })
})

function open(state: { ahead: number; tripMs?: number; isAway?: boolean }) {
  const own = new FakeClock()
  const logged: string[] = []
  const database: Database = {
    nowSql: 'now',
    async query() {
      if (state.isAway) throw new Error('away')
      const now = own.now() - state.ahead
      if (state.tripMs !== undefined) await own.sleep(state.tripMs)
      return [{ now }]
    },
    batch: async () => [],
    snapshot: () => Promise.reject(new Error('not asked for')),
    close: async () => {},
  }
  return { clock: createFollowedClock(own, database, listLog(logged)), own, logged }
}
