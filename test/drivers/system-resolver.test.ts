import { describe, expect, it } from 'vitest'
import { createSystemResolver } from '../../runtimes/shared/system-resolver.ts'
import { FakeClock } from '../fake-clock.ts'

describe('system resolver', () => {
  it('knows this machine', async () => {
    const ips = await createSystemResolver(new FakeClock())('localhost', 80)
    expect(ips.some(ip => ip === '127.0.0.1' || ip === '::1')).toBe(true)
  })

  it('shares an answer while it is kept, and asks again afterwards', async () => {
    const clock = new FakeClock()
    const resolve = createSystemResolver(clock, 1000)
    const first = resolve('localhost', 80)
    expect(resolve('localhost', 443)).toBe(first)
    await first
    await clock.advance(1001)
    expect(resolve('localhost', 80)).not.toBe(first)
  })

  it('shares a failure with those who wait for it, and forgets it', async () => {
    const resolve = createSystemResolver(new FakeClock())
    const first = resolve('no name at all', 80)
    expect(resolve('no name at all', 80)).toBe(first)
    await expect(first).rejects.toThrow()
    const second = resolve('no name at all', 80)
    expect(second).not.toBe(first)
    await expect(second).rejects.toThrow()
  })
})
