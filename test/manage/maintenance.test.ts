// The jobs beside requests: each in its turn, one process at a time, none stopping another.

import { describe, expect, it } from 'vitest'
import { exclusively } from '../../src/manage/exclusively.ts'
import { runMaintenance, startMaintenance } from '../../src/manage/maintenance.ts'
import { flush } from '../../src/manage/objects.ts'
import { createWorld, type World } from './world.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

async function hits(world: World): Promise<number | undefined> {
  return (await world.repositories.catalog.list('files', { limit: 1 }))[0]?.hits
}

describe('maintenance of a server', () => {
  it('sweeps staged bytes at start and every hour', async () => {
    const world = await createWorld()
    const suspend = async () => {
      await (await world.services.blobs.stage()).suspend()
      await world.clock.advance(1)
    }
    const swept = () => world.logged.filter(line => line.includes('Staged bytes')).length
    await suspend()
    const maintenance = startMaintenance(world.repositories)
    await world.clock.advance(1)
    expect(swept()).toBe(1)
    await suspend()
    await world.clock.advance(HOUR_MS)
    expect(swept()).toBe(2)
    await maintenance.stop()
  })

  it('writes uses down soon, and at its end', async () => {
    const world = await createWorld()
    await world.keep('files', 'a')
    const maintenance = startMaintenance(world.repositories)
    await world.keep('files', 'a')
    expect(await hits(world)).toBe(0)
    await world.clock.advance(10_000)
    expect(await hits(world)).toBe(1)
    await world.keep('files', 'a')
    await maintenance.stop()
    expect(await hits(world)).toBe(2)
  })

  it('keeps limits and collects, minute by minute', async () => {
    const world = await createWorld({ options: { cacheMaxBytes: 1000, collectGraceSeconds: 90 } })
    const maintenance = startMaintenance(world.repositories)
    await world.keep('files', 'a', 'x'.repeat(1001))
    await world.clock.advance(MINUTE_MS)
    expect(await world.keys('files')).toEqual([])
    expect((await world.repositories.catalog.usage()).blobs).toBe(1)
    await world.clock.advance(2 * MINUTE_MS)
    expect((await world.repositories.catalog.usage()).blobs).toBe(0)
    await maintenance.stop()
  })

  it('logs what fails, goes on with the rest, and tries again', async () => {
    const world = await createWorld({ options: { collectGraceSeconds: 0 } })
    const { remove } = world.services.blobs
    let isBroken = true
    world.services.blobs.remove = async (sha256, since) => {
      if (isBroken) throw new Error('the store is away')
      return remove(sha256, since)
    }
    await world.keep('files', 'a')
    await world.clock.advance(1)
    await flush(world.repositories, {})
    const maintenance = startMaintenance(world.repositories)
    await world.clock.advance(MINUTE_MS)
    expect(world.logged.join('\n')).toContain('error Maintenance failed, and is tried again later: collect')
    isBroken = false
    await world.clock.advance(MINUTE_MS)
    expect((await world.repositories.catalog.usage()).blobs).toBe(0)
    await maintenance.stop()
  })

  it('stops at once, with nothing left waiting', async () => {
    const world = await createWorld({ options: { scrubBytesPerSecond: 1 } })
    const maintenance = startMaintenance(world.repositories)
    await world.clock.advance(2 * MINUTE_MS)
    await maintenance.stop()
    expect(world.clock.sleeping).toBe(0)
  })
})

describe('maintenance by cron', () => {
  it('does every job once', async () => {
    const world = await createWorld({ options: { collectGraceSeconds: 0 } })
    await world.keep('files', 'a')
    await world.clock.advance(1)
    await flush(world.repositories, {})
    await world.clock.advance(1)
    await runMaintenance(world.repositories)
    expect((await world.repositories.catalog.usage()).blobs).toBe(0)
  })

  it('leaves what a job may not do any more to its next turn', async () => {
    const world = await createWorld({ options: { collectGraceSeconds: 0 } })
    await world.keep('files', 'a')
    await world.clock.advance(1)
    await flush(world.repositories, {})
    await world.clock.advance(1)
    const asked: string[] = []
    await runMaintenance(world.repositories, job => {
      asked.push(job)
      return job === 'collect' ? AbortSignal.abort() : undefined
    })
    expect(asked).toEqual(['sweep', 'evict', 'collect'])
    expect((await world.repositories.catalog.usage()).blobs).toBe(1)
    await runMaintenance(world.repositories)
    expect((await world.repositories.catalog.usage()).blobs).toBe(0)
  })

  it('leaves a job to the process that is at it', async () => {
    const world = await createWorld({ options: { collectGraceSeconds: 0 } })
    await world.keep('files', 'a')
    await world.clock.advance(1)
    await flush(world.repositories, {})
    await world.services.lease.acquire('maintenance:collect', 60)
    await runMaintenance(world.repositories)
    expect((await world.repositories.catalog.usage()).blobs).toBe(1)
  })
})

describe('work under a lease', () => {
  it('holds it for as long as it takes, and gives it back', async () => {
    const { services, clock } = await createWorld()
    let finish = () => {}
    const work = exclusively(
      services,
      'x',
      () => new Promise<string>(resolve => (finish = () => resolve('ok'))),
    )
    for (let i = 0; i < 10; i++) await clock.advance(30_000)
    expect(await services.lease.holder('x')).not.toBeNull()
    finish()
    expect(await work).toBe('ok')
    expect(await services.lease.holder('x')).toBeNull()
  })

  it('is told when the lease is lost', async () => {
    const { services, clock } = await createWorld()
    const { acquire } = services.lease
    services.lease.acquire = async (name, ttl) => {
      const held = await acquire(name, ttl)
      return held === null ? null : { ...held, renew: async () => false }
    }
    const work = exclusively(
      services,
      'x',
      signal => new Promise<string>(resolve => signal.addEventListener('abort', () => resolve('told'))),
    )
    await clock.advance(30_000)
    expect(await work).toBe('told')
  })
})
