// Figures, health, readiness, gauges and live events.

import { describe, expect, it } from 'vitest'
import { createEventHub, type RequestEvent } from '../../src/manage/events.ts'
import { createGauges } from '../../src/manage/gauges.ts'
import { readHealth } from '../../src/manage/health.ts'
import { createReadinessCheck } from '../../src/manage/readiness.ts'
import { createRepository, deleteRepository } from '../../src/manage/repositories.ts'
import { readStats } from '../../src/manage/stats.ts'
import { Problem } from '../../src/model/problem.ts'
import { FakeClock } from '../fake-clock.ts'
import { createWorld } from './world.ts'

describe('figures', () => {
  it('count objects, distinct bytes and requests', async () => {
    const world = await createWorld()
    await world.keep('files', 'a', 'same')
    await world.keep('more', 'b', 'same')
    const { meter } = world.services
    meter.counter('artifactapi_requests_total', {
      repo: 'files',
      format: 'generic',
      outcome: 'hit',
    }).value += 2
    meter.counter('artifactapi_requests_total', {
      repo: 'more',
      format: 'generic',
      outcome: 'hit',
    }).value += 1
    meter.counter('artifactapi_requests_total', {
      repo: 'more',
      format: 'generic',
      outcome: 'miss',
    }).value += 5
    expect(await readStats(world.repositories)).toMatchObject({
      objects: 2,
      bytes: 8,
      store: { blobs: 1, bytes: 4, condemnedBlobs: 0 },
      requests: { hit: 3, miss: 5 },
      repositories: { files: { objects: 1, bytes: 4 }, store: { objects: 0, bytes: 0 } },
    })
  })
})

describe('health', () => {
  it('is good while nothing is wrong, and asks nobody', async () => {
    const world = await createWorld()
    await world.services.database.close()
    expect(readHealth(world.repositories)).toMatchObject({ status: 'ok', degraded: [] })
  })

  it('lists what is degraded and why', async () => {
    const world = await createWorld()
    world.repositories.room.close(new Problem('store-full', 'Cannot stage body: the disk is full'))
    world.services.settings.fault = () => 'remotes.yaml:3:5: unknown key'
    for (let i = 0; i < 5; i++) await world.repositories.breaker.failed('origin.example')
    const { status, degraded } = readHealth(world.repositories)
    expect(status).toBe('degraded')
    expect(degraded.map(({ part }) => part)).toEqual(['store', 'configuration', 'origin'])
    expect(degraded.map(({ reason }) => reason).join('\n')).toMatch(
      /disk is full[\s\S]*remotes\.yaml:3:5[\s\S]*origin\.example/,
    )
  })
})

describe('readiness', () => {
  const part = (name: string, check: () => Promise<void>, isNeeded = true) => ({
    name,
    product: `product of ${name}`,
    isNeeded,
    check,
  })

  it('fails when a needed part does, and says why', async () => {
    const parts = [
      part('catalog', async () => {
        throw new Problem('database-broken', 'Cannot open database: it is gone')
      }),
      part('values', async () => {}),
    ]
    const { isReady, parts: states } = await createReadinessCheck({ parts, clock: new FakeClock() }).verdict()
    expect(isReady).toBe(false)
    expect(states.map(({ name, isUp, error }) => [name, isUp, error])).toEqual([
      ['catalog', false, 'Cannot open database: it is gone'],
      ['values', true, null],
    ])
  })

  it('holds without a part that is not needed', async () => {
    const parts = [part('values', () => Promise.reject(new Error('away')), false)]
    expect((await createReadinessCheck({ parts, clock: new FakeClock() }).verdict()).isReady).toBe(true)
  })

  it('does not wait for a part that never answers', async () => {
    const clock = new FakeClock()
    const verdict = createReadinessCheck({
      parts: [part('slow', () => new Promise(() => {}))],
      clock,
    }).verdict()
    await clock.advance(2000)
    expect((await verdict).parts[0]).toMatchObject({ isUp: false, error: expect.stringContaining('2 s') })
  })

  it('asks once for all who ask at once, and again after a second', async () => {
    const clock = new FakeClock()
    let asked = 0
    const check = createReadinessCheck({ parts: [part('catalog', async () => void asked++)], clock })
    await Promise.all([check.verdict(), check.verdict(), check.verdict()])
    await clock.advance(999)
    await check.verdict()
    expect(asked).toBe(1)
    await clock.advance(1)
    await check.verdict()
    expect(asked).toBe(2)
  })
})

describe('gauges', () => {
  it('tell the store and the breakers of configured origins', async () => {
    const world = await createWorld()
    const gauges = createGauges(world.repositories)
    await world.keep('files', 'a', 'four')
    await createRepository(world.repositories, 'remotes', { name: 'made', base_url: 'https://away.example' })
    for (let i = 0; i < 5; i++) await world.repositories.breaker.failed('away.example')
    await gauges.refresh()
    const text = () => world.services.meter.render()
    expect(text()).toContain('artifactapi_store_bytes 4\n')
    expect(text()).toContain('artifactapi_breaker_open{host="away.example"} 1\n')
    expect(text()).toContain('artifactapi_breaker_open{host="origin.example"} 0\n')
    await deleteRepository(world.repositories, 'remotes', 'made')
    await gauges.refresh()
    expect(text()).not.toContain('away.example')
  })
})

describe('live events', () => {
  const event = (path: string): RequestEvent => ({
    kind: 'request',
    requestId: 'r',
    method: 'GET',
    repository: 'files',
    path,
    status: 200,
    outcome: 'hit',
    bytes: 1,
    milliseconds: 1,
  })

  it('reach those who listen', () => {
    const hub = createEventHub(new FakeClock())
    const heard: string[] = []
    hub.publish(event('before'))
    const stop = hub.subscribe(({ path }) => heard.push(path))
    hub.publish(event('during'))
    stop()
    hub.publish(event('after'))
    expect(heard).toEqual(['during'])
  })

  it('are kept for a while for a watcher who comes back, and cost nothing when none does', () => {
    const hub = createEventHub(new FakeClock())
    expect(hub.isHeard).toBe(false)
    let last = 0
    const stop = hub.subscribe(({ id }) => {
      last = id
    })
    hub.publish(event('seen'))
    stop()
    hub.publish(event('missed'))
    expect(hub.since(last).map(({ path }) => path)).toEqual(['missed'])
    for (let i = 0; i < 200; i++) hub.publish(event(String(i)))
    expect([hub.isHeard, hub.since(0).length, hub.since(0).at(-1)?.path]).toEqual([false, 100, '98'])
  })
})
