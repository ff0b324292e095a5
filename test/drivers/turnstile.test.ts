import { describe, expect, it } from 'vitest'
import { createTurnstile } from '../../src/drivers/turnstile.ts'
import { FakeClock } from '../fake-clock.ts'

describe('Turnstile', () => {
  const limits = { inFlight: 2, queueMs: 1000 }

  it('lets the next one in when somebody leaves, in the order of arrival', async () => {
    const turnstile = createTurnstile(limits, new FakeClock())
    const [first, second] = [await turnstile.enter('a'), await turnstile.enter('a')]
    const order: string[] = []
    const third = turnstile.enter('a').then(() => order.push('third'))
    const fourth = turnstile.enter('a').then(() => order.push('fourth'))
    expect(order).toEqual([])
    first()
    await third
    expect(order).toEqual(['third'])
    second()
    await fourth
    expect(order).toEqual(['third', 'fourth'])
  })

  it('turns away who waited too long', async () => {
    const clock = new FakeClock()
    const turnstile = createTurnstile(limits, clock)
    await Promise.all([turnstile.enter('a'), turnstile.enter('a')])
    const late = turnstile.enter('a')
    late.catch(() => {})
    await clock.advance(1001)
    await expect(late).rejects.toMatchObject({ code: 'upstream-busy' })
  })

  it('counts each key on its own', async () => {
    const turnstile = createTurnstile(limits, new FakeClock())
    await Promise.all([turnstile.enter('a'), turnstile.enter('a')])
    await expect(turnstile.enter('b')).resolves.toBeTypeOf('function')
  })

  it('takes a place back once only', async () => {
    const clock = new FakeClock()
    const turnstile = createTurnstile(limits, clock)
    const [first] = [await turnstile.enter('a'), await turnstile.enter('a')]
    first?.()
    first?.()
    await turnstile.enter('a')
    const late = turnstile.enter('a')
    late.catch(() => {})
    await clock.advance(1001)
    await expect(late).rejects.toMatchObject({ code: 'upstream-busy' })
  })

  it('forgets who stopped waiting', async () => {
    const turnstile = createTurnstile({ inFlight: 1, queueMs: 1000 }, new FakeClock())
    const leave = await turnstile.enter('a')
    const abort = new AbortController()
    const gone = turnstile.enter('a', abort.signal)
    gone.catch(() => {})
    abort.abort()
    await expect(gone).rejects.toMatchObject({ code: 'cancelled' })
    leave()
    await expect(turnstile.enter('a')).resolves.toBeTypeOf('function')
  })
})
