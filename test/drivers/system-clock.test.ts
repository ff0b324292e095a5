import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { createSystemClock } from '../../src/drivers/system-clock.ts'

describe('system clock', () => {
  const clock = createSystemClock()

  it('tells the time of day', () => {
    expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1000)
  })

  it('sleeps as long as it was asked to', async () => {
    const start = performance.now()
    await clock.sleep(50)
    expect(performance.now() - start).toBeGreaterThan(45)
  })

  it('wakes at once when its signal aborts, before or during the sleep', async () => {
    const start = performance.now()
    await clock.sleep(60_000, AbortSignal.abort())
    const controller = new AbortController()
    const sleep = clock.sleep(60_000, controller.signal)
    controller.abort()
    await sleep
    expect(performance.now() - start).toBeLessThan(5000)
  })

  it('does not wake at once from a sleep longer than timers can count', async () => {
    const controller = new AbortController()
    let isAwake = false
    const sleep = clock.sleep(2 ** 40, controller.signal).then(() => (isAwake = true))
    await clock.sleep(20)
    expect(isAwake).toBe(false)
    controller.abort()
    await sleep
  })

  it('does not keep the process alive', () => {
    const script = `import { createSystemClock } from ${JSON.stringify(new URL('../../src/drivers/system-clock.ts', import.meta.url).href)}
      void createSystemClock().sleep(60000)`
    const child = spawnSync(process.execPath, ['--input-type=module-typescript', '--eval', script], {
      timeout: 15_000,
    })
    expect(child.signal).toBe(null)
    expect(child.status).toBe(0)
  })
})
