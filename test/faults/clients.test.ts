// Clients that crawl, leave, or come all at once: nobody waits for anybody, an object on its way gets there, and
// what a client held is given back.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { cacheStatusOf, eventually, sourceOf, useWorld } from '../contracts/app/suite.ts'
import { pattern } from '../origin.ts'
import type { OpenAnswer } from '../raw-http.ts'
import { blobFiles, descriptorsOf, expectWhole, residentBytes, stagedFiles, suiteOf } from './world.ts'

const MB = 1_000_000
/** What the memory of a garbage-collected process may swing by. */
const SWING = 120 * MB

for (const runtime of ['bun', 'node'] as const) {
  describe(`many clients (${runtime})`, () => {
    const world = useWorld(suiteOf(runtime), { files: {} })
    const repo = () => world.repo('files')

    it('a client that takes one byte a second delays nobody, and its bytes do not pile up', async () => {
      const body = pattern(40 * MB, 31)
      // More than memory may swing by.
      const other = pattern(160 * MB, 32)
      repo().origin.set('/alone.bin', { body })
      repo().origin.set('/slow.bin', { body: other })
      const alone = await timed(() => repo().get('alone.bin'))
      expectWhole(alone.value, body)

      const before = residentBytes(world.server)
      const hold = repo().origin.hold('/slow.bin', 4 * MB)
      const slow = await repo().open('slow.bin')
      slow.slow(1)
      await hold.reached
      hold.release()
      const beside = await timed(() => repo().get('slow.bin'))
      expectWhole(beside.value, other)
      expect(beside.ms).toBeLessThan(2 * 4 * alone.ms + 1000)
      expect(repo().origin.gets('/slow.bin')).toBe(1)
      // The same from the store, where the slow one has a hit.
      const slowHit = await repo().open('alone.bin')
      slowHit.slow(1)
      expectWhole(await repo().get('alone.bin'), body)
      expect(slow.received()).toBeLessThan(10 * MB)
      expect(residentBytes(world.server) - before).toBeLessThan(SWING)
      slow.leave()
      slowHit.leave()
    }, 60_000)

    it('1,000 clients that leave at once take nothing with them', async () => {
      const body = pattern(8 * MB, 33)
      repo().origin.set('/crowd.bin', { body })
      const open = descriptorsOf(world.server)
      const before = residentBytes(world.server)
      const hold = repo().origin.hold('/crowd.bin', 300_000)
      const clients: OpenAnswer[] = []
      for (let i = 0; i < 10; i++) {
        const some = Array.from({ length: 100 }, () => repo().open('crowd.bin'))
        clients.push(...(await Promise.all(some)))
      }
      await Promise.all(clients.map(client => client.read(1)))
      expect(descriptorsOf(world.server)).toBeGreaterThan(open + 900)
      for (const client of clients) client.leave()
      hold.release()
      await eventually(async () => expect(sourceOf(await repo().head('crowd.bin'))).toBe('cache'))
      const answer = await repo().get('crowd.bin')
      expectWhole(answer, body)
      expect(sourceOf(answer)).toBe('cache')
      expect(repo().origin.gets('/crowd.bin')).toBe(1)
      await eventually(async () => expect(descriptorsOf(world.server)).toBeLessThanOrEqual(open + 5))
      await eventually(async () => expect(await stagedFiles(world.server)).toEqual([]))
      expect(residentBytes(world.server) - before).toBeLessThan(SWING)
    }, 60_000)

    if (runtime === 'node') return // from here on it is the engine, which is the same

    it('200 cold clients of one object are one request to the origin', async () => {
      const body = pattern(MB, 34)
      repo().origin.set('/cold.bin', { body, rate: MB })
      const answers = await Promise.all(Array.from({ length: 200 }, () => repo().get('cold.bin')))
      for (const answer of answers) expectWhole(answer, body)
      expect(repo().origin.gets('/cold.bin')).toBe(1)
      expect(answers.filter(answer => /; *collapsed\b/.test(cacheStatusOf(answer)))).toHaveLength(199)
    })

    it('the first client of a body may leave: its followers and the store get it whole', async () => {
      const body = pattern(10 * MB, 35)
      repo().origin.set('/left.bin', { body })
      const hold = repo().origin.hold('/left.bin', 2 * MB)
      const leader = await repo().open('left.bin')
      await leader.read(1)
      const followers = [await repo().open('left.bin'), await repo().open('left.bin')]
      for (const follower of followers) await follower.read(1)
      leader.leave()
      await sleep(100)
      hold.release()
      for (const follower of followers) expectWhole(await follower.finish(), body)
      expect(sourceOf(await repo().get('left.bin'))).toBe('cache')
      expect(repo().origin.gets('/left.bin')).toBe(1)
      expect(await blobFiles(world.server)).toContain(body.sha256)
    })
  })
}

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const began = performance.now()
  const value = await work()
  return { value, ms: performance.now() - began }
}
