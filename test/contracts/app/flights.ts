// Many requests for one object that is on its way: one origin GET, and nobody waits for anybody else.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { pattern, sha256Of } from '../../origin.ts'
import { cacheStatusOf, eventually, expectFailure, type Suite, sourceOf, testsOf, useWorld } from './suite.ts'

export function describeFlights(suite: Suite): void {
  const it = testsOf(suite)
  describe('requests for an object in flight', () => {
    const world = useWorld(suite, { files: {}, failing: {}, absent: {} })
    const repo = () => world.repo('files')

    it('asks the origin once for ten clients at once', async () => {
      const body = pattern(600_000, 11)
      repo().origin.set('/ten.bin', { body })
      const hold = repo().origin.hold('/ten.bin', 100_000)
      const pending = Array.from({ length: 10 }, () => repo().get('ten.bin'))
      await hold.reached
      await sleep(400)
      hold.release()
      const answers = await Promise.all(pending)
      expect(
        new Set(answers.map(answer => `${answer.status} ${answer.end} ${sha256Of(answer.body)}`)),
      ).toEqual(new Set([`200 clean ${body.sha256}`]))
      expect(repo().origin.gets('/ten.bin')).toBe(1)
      expect(answers.filter(answer => /; *collapsed\b/.test(cacheStatusOf(answer)))).toHaveLength(9)
      expect(new Set(answers.map(sourceOf))).toEqual(new Set(['remote']))
    })

    it('asks the origin once for ten clients of a small object too', async () => {
      repo().origin.set('/ten-small.bin', { body: 'small' })
      const hold = repo().origin.hold('/ten-small.bin', null)
      const pending = Array.from({ length: 10 }, () => repo().get('ten-small.bin'))
      await hold.reached
      await sleep(200)
      hold.release()
      for (const answer of await Promise.all(pending)) {
        expect([answer.text, answer.headers.get('content-length')]).toEqual(['small', '5'])
      }
      expect(repo().origin.gets('/ten-small.bin')).toBe(1)
    })

    it('gives a client that joins byte 0 at once, and follows the growing file', async () => {
      const body = pattern(3_000_000, 12)
      repo().origin.set('/growing.bin', { body })
      const hold = repo().origin.hold('/growing.bin', 1_500_000)
      const leader = await repo().open('growing.bin')
      await leader.read(500_000)
      await hold.reached
      const joiner = await repo().open('growing.bin')
      const early = await joiner.read(500_000)
      expect(sha256Of(early.subarray(0, 500_000))).toBe(sha256Of(body.slice(0, 500_000)))
      expect(joiner.received()).toBeLessThanOrEqual(1_500_000)
      hold.release()
      for (const answer of [await leader.finish(), await joiner.finish()]) {
        expect([answer.end, sha256Of(answer.body)]).toEqual(['clean', body.sha256])
      }
      expect(repo().origin.gets('/growing.bin')).toBe(1)
    })

    it('answers a range out of what has arrived while the rest is on its way', async () => {
      const body = pattern(3_000_000, 13)
      repo().origin.set('/partly.bin', { body })
      const hold = repo().origin.hold('/partly.bin', 1_500_000)
      const leader = await repo().open('partly.bin')
      await leader.read(500_000)
      await hold.reached
      const part = await repo().get('partly.bin', { range: 'bytes=1000-200999' })
      expect([part.status, part.end]).toEqual([206, 'clean'])
      expect(part.headers.get('content-range')).toBe('bytes 1000-200999/3000000')
      expect(sha256Of(part.body)).toBe(sha256Of(body.slice(1000, 201_000)))
      expect(repo().origin.gets('/partly.bin')).toBe(1)
      hold.release()
      expect((await leader.finish()).end).toBe('clean')
    })

    it('tells the size of an object in flight to HEAD without asking for it again', async () => {
      repo().origin.set('/peeked.bin', { body: pattern(800_000, 14) })
      const hold = repo().origin.hold('/peeked.bin', 400_000)
      const leader = await repo().open('peeked.bin')
      const head = await repo().head('peeked.bin')
      expect([head.status, head.headers.get('content-length')]).toEqual([200, '800000'])
      hold.release()
      await leader.finish()
      expect(repo().origin.gets('/peeked.bin')).toBe(1)
    })

    it('stores the object although its only client left', async () => {
      const body = pattern(3_000_000, 15)
      repo().origin.set('/left.bin', { body })
      const hold = repo().origin.hold('/left.bin', 1_000_000)
      const client = await repo().open('left.bin')
      await client.read(1000)
      client.leave()
      await sleep(100)
      hold.release()
      await eventually(async () => expect(sourceOf(await repo().head('left.bin'))).toBe('cache'))
      const answer = await repo().get('left.bin')
      expect([sourceOf(answer), sha256Of(answer.body)]).toEqual(['cache', body.sha256])
      expect(repo().origin.gets('/left.bin')).toBe(1)
    })

    it('serves the ones who stay when the first one leaves', async () => {
      const body = pattern(3_000_000, 16)
      repo().origin.set('/stay.bin', { body })
      const hold = repo().origin.hold('/stay.bin', 1_000_000)
      const leader = await repo().open('stay.bin')
      await leader.read(1000)
      const joiner = await repo().open('stay.bin')
      await joiner.read(1000)
      leader.leave()
      await sleep(100)
      hold.release()
      const answer = await joiner.finish()
      expect([answer.end, sha256Of(answer.body)]).toEqual(['clean', body.sha256])
      expect(repo().origin.gets('/stay.bin')).toBe(1)
    })

    it('lets a client that reads slowly delay nobody', async () => {
      const body = pattern(12_000_000, 17)
      repo().origin.set('/slow-reader.bin', { body })
      const hold = repo().origin.hold('/slow-reader.bin', 1_000_000)
      const slow = await repo().open('slow-reader.bin')
      slow.slow(1)
      const quick = repo().get('slow-reader.bin')
      await sleep(100)
      hold.release()
      const answer = await quick
      expect([answer.end, sha256Of(answer.body)]).toEqual(['clean', body.sha256])
      expect(slow.received()).toBeLessThan(2_000_000)
      slow.leave()
    })

    it('tells everyone who waits when the origin fails', async () => {
      const { origin, get } = world.repo('failing')
      origin.set('/fails.bin', { status: 500 })
      const hold = origin.hold('/fails.bin', null)
      const pending = Array.from({ length: 4 }, () => get('fails.bin'))
      await hold.reached
      await sleep(200)
      hold.release()
      for (const answer of await Promise.all(pending)) expect([502, 503, 504]).toContain(answer.status)
    })

    it('tells everyone who waits that the origin does not have it', async () => {
      const { origin, get } = world.repo('absent')
      const hold = origin.hold('/absent.bin', null)
      const pending = Array.from({ length: 4 }, () => get('absent.bin'))
      await hold.reached
      await sleep(200)
      hold.release()
      for (const answer of await Promise.all(pending)) expect(answer.status).toBe(404)
      expect(origin.gets('/absent.bin')).toBe(1)
    })

    it('breaks off every follower when the origin breaks off', async () => {
      const { origin, open, get } = world.repo('failing')
      origin.set('/breaks.bin', { body: pattern(3_000_000, 18), cutAt: 2_000_000 })
      const hold = origin.hold('/breaks.bin', 1_000_000)
      const clients = [await open('breaks.bin'), await open('breaks.bin')]
      for (const client of clients) await client.read(1000)
      hold.release()
      for (const client of clients) expectFailure(await client.finish())
      origin.set('/breaks.bin', { body: 'whole' })
      expect((await get('breaks.bin')).text).toBe('whole')
    })
  })
}
