import { describe, expect, it } from 'vitest'
import { withServerTime } from '../../src/drivers/server-time.ts'
import type { ServiceLink } from '../../src/drivers/service-link.ts'
import { FakeClock } from '../fake-clock.ts'

describe('the time of a server', () => {
  it('is ours to the millisecond while its dates allow for it', async () => {
    const { clock, ask, time } = setUp(0)
    expect(time.toServer(1234)).toBe(1234)
    for (const ms of [0, 999, 1, 500, 10_001]) {
      await clock.advance(ms)
      await ask(300)
      expect([time.now(), time.toServer(1234), time.toOurs(1234)]).toEqual([clock.now(), 1234, 1234])
    }
  })

  it.each([600_000, -600_000, 86_400_000, 2500])('is known when it is %i ms ahead', async aheadMs => {
    const { clock, ask, time } = setUp(aheadMs)
    await ask(20)
    expect(Math.abs(time.now() - clock.now() - aheadMs)).toBeLessThanOrEqual(1020)
    for (let i = 0; i < 40; i++) {
      await clock.advance(1037)
      await ask(20)
    }
    expect(Math.abs(time.now() - clock.now() - aheadMs)).toBeLessThanOrEqual(100)
    expect(time.toOurs(time.toServer(5000))).toBe(5000)
  })

  it('is learnt anew when a clock was set', async () => {
    const { clock, ask, time, server } = setUp(0)
    await ask(10)
    server.aheadMs = 3_600_000
    await ask(10)
    expect(Math.abs(time.now() - clock.now() - 3_600_000)).toBeLessThanOrEqual(1010)
    server.aheadMs = 0
    await ask(10)
    expect(time.now()).toBe(clock.now())
  })

  it('is not learnt from an answer without a date', async () => {
    const { clock, ask, time, server } = setUp(600_000)
    for (const date of [null, 'yesterday']) {
      server.date = date
      await ask(10)
    }
    expect(time.now()).toBe(clock.now())
  })
})

function setUp(aheadMs: number) {
  const clock = new FakeClock()
  const server: { aheadMs: number; date?: string | null } = { aheadMs }
  let tripMs = 0
  const below: ServiceLink = {
    async send() {
      await clock.advance(tripMs / 2)
      const { date = new Date(clock.now() + server.aheadMs).toUTCString() } = server
      await clock.advance(tripMs / 2)
      return { status: 200, headers: new Headers(date === null ? {} : { date }), body: null }
    },
  }
  const { link, time } = withServerTime(below, clock)
  const ask = async (ms: number) => {
    tripMs = ms
    await link.send({ url: 'http://s3.example/', method: 'GET' })
  }
  return { clock, ask, time, server }
}
