// Values of a back end that comes and goes: whoever asks hears no error, waits for no absence twice, and gets back
// nothing that was deleted meanwhile.

import { describe, expect, it } from 'vitest'
import { createFallbackHealth } from '../../src/drivers/fallback-health.ts'
import { withFallbackKeyValue } from '../../src/drivers/fallback-key-value.ts'
import { createMemoryKeyValue } from '../../src/drivers/memory-key-value.ts'
import { FakeClock } from '../fake-clock.ts'
import { listLog } from '../list-log.ts'

describe('values with a stand-in', () => {
  it('are the far ones while all is well', async () => {
    const { values, far } = await open()
    await values.set('k', 'v', 60)
    expect([await values.get('k'), await far.get('k')]).toEqual(['v', 'v'])
  })

  it('are this process’s own while the far place is away, without an error', async () => {
    const { values, place } = await open()
    await values.set('k', 'far', 60)
    place.isAway = true
    expect(await values.get('k')).toBeNull()
    await values.set('k', 'near', 60)
    expect(await values.get('k')).toBe('near')
    await values.delete('k')
    expect(await values.get('k')).toBeNull()
  })

  it('ask a far place that is away only to find out whether it is back', async () => {
    const { values, place } = await open()
    place.isAway = true
    await values.get('k')
    const asked = place.asked
    for (let i = 0; i < 100; i++) await values.get(`k${i}`)
    expect(place.asked).toBe(asked)
  })

  it('are the far ones again when it is back, and nothing of an absence comes back in the next', async () => {
    const { values, place, clock, logged } = await open()
    await values.set('k', 'far', 60)
    place.isAway = true
    await values.set('k', 'near', 60)
    await clock.advance(1_000)
    place.isAway = false
    await clock.advance(1_000)
    expect(await values.get('k')).toBe('far')
    place.isAway = true
    expect(await values.get('k')).toBeNull()
    await clock.advance(1_000)
    expect(logged.filter(line => /is away|is back/.test(line)).map(line => line.split(' ')[0])).toEqual([
      'warn',
      'info',
      'warn',
    ])
  })
})

async function open() {
  const clock = new FakeClock()
  const logged: string[] = []
  const far = createMemoryKeyValue(clock)
  const place = { isAway: false, asked: 0 }
  const asking = async <T>(work: () => Promise<T>): Promise<T> => {
    place.asked++
    if (place.isAway) throw new Error('connection refused')
    return await work()
  }
  const health = createFallbackHealth({
    name: 'Redis',
    standIn: 'memory',
    probe: () => (place.isAway ? Promise.reject(new Error('connection refused')) : Promise.resolve()),
    clock,
    log: listLog(logged),
  })
  await clock.advance(10)
  const values = withFallbackKeyValue(
    {
      get: key => asking(() => far.get(key)),
      set: (key, value, ttlSeconds) => asking(() => far.set(key, value, ttlSeconds)),
      delete: key => asking(() => far.delete(key)),
    },
    () => createMemoryKeyValue(clock),
    health,
  )
  return { clock, logged, far, place, values }
}
