// An origin that is away, or answers with anything but the object: what stands in, what is remembered, what is said.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { cacheStatusOf, type Suite, testsOf, useWorld } from './suite.ts'

const EXPIRY_MS = 1_150
const LIVE = { mutable_patterns: ['^live/'], mutable_ttl: 1 }

export function describeTrouble(suite: Suite): void {
  const it = testsOf(suite)
  describe('an origin in trouble', () => {
    const world = useWorld(suite, {
      away: LIVE,
      resetting: LIVE,
      gone: LIVE,
      failing: LIVE,
      lenient: { ...LIVE, stale_on: [429, '5xx'] },
      missing: { negative_ttl: 1 },
      missing2: {},
      broken: {},
      busy: {},
      unreachable: {},
      breaking: LIVE,
      patient: {},
      forbidding: {},
    })

    async function prime(name: string, path: string) {
      const { origin, get } = world.repo(name)
      origin.set(`/${path}`, { body: 'kept', etag: '"k"' })
      expect((await get(path)).text).toBe('kept')
    }

    it('serves the copy while the origin is down, and says so', async () => {
      await prime('away', 'live/a')
      await world.repo('away').origin.down()
      await sleep(EXPIRY_MS)
      const answer = await world.repo('away').get('live/a')
      expect([answer.status, answer.text]).toEqual([200, 'kept'])
      expect(cacheStatusOf(answer)).toMatch(/fwd=stale/)
      await world.repo('away').origin.up()
    })

    it('does not try again within the ttl after the origin was away', async () => {
      await prime('resetting', 'live/a')
      const { get, origin } = world.repo('resetting')
      origin.set('/live/a', { reset: true })
      await sleep(EXPIRY_MS)
      expect((await get('live/a')).text).toBe('kept')
      const tried = origin.requests.length
      expect(tried).toBeGreaterThan(1)
      expect((await get('live/a')).text).toBe('kept')
      expect(origin.requests).toHaveLength(tried)
    })

    it('serves the copy where the new body breaks off', async () => {
      const { get, origin } = world.repo('resetting')
      origin.set('/live/half', { body: 'kept', etag: '"k"' })
      await get('live/half')
      origin.set('/live/half', { body: 'x'.repeat(50_000), cutAt: 0 })
      await sleep(EXPIRY_MS)
      const answer = await get('live/half')
      // What was sent already cannot be taken back; but then it must not look whole.
      if (answer.end === 'clean' && answer.status === 200) expect(answer.text).toBe('kept')
      origin.set('/live/half', { body: 'new', etag: '"n"' })
      await sleep(EXPIRY_MS)
      expect((await get('live/half')).text).toBe('new')
    })

    it('does not cover up that an expired object is gone', async () => {
      await prime('gone', 'live/a')
      world.repo('gone').origin.unset('/live/a')
      await sleep(EXPIRY_MS)
      expect((await world.repo('gone').get('live/a')).status).toBe(404)
    })

    it('does not cover up an error of the origin', async () => {
      await prime('failing', 'live/a')
      world.repo('failing').origin.set('/live/a', { status: 500, body: 'oh' })
      await sleep(EXPIRY_MS)
      const answer = await world.repo('failing').get('live/a')
      expect(answer.status).toBeGreaterThanOrEqual(500)
      expect(answer.text).not.toBe('kept')
    })

    it('serves the copy for the statuses that stale_on names', async () => {
      for (const status of [429, 503]) {
        await prime('lenient', `live/${status}`)
        world.repo('lenient').origin.set(`/live/${status}`, { status })
      }
      await sleep(EXPIRY_MS)
      for (const status of [429, 503]) {
        const answer = await world.repo('lenient').get(`live/${status}`)
        expect([status, answer.status, answer.text]).toEqual([status, 200, 'kept'])
        expect(cacheStatusOf(answer)).toMatch(/fwd=stale/)
      }
    })

    it('does not cover up a status that stale_on does not name', async () => {
      await prime('lenient', 'live/404')
      world.repo('lenient').origin.unset('/live/404')
      await sleep(EXPIRY_MS)
      expect((await world.repo('lenient').get('live/404')).status).toBe(404)
    })

    it('remembers for a while that the origin does not have a file', async () => {
      const { get, origin } = world.repo('missing')
      expect((await get('nothing.bin')).status).toBe(404)
      const again = await get('nothing.bin')
      expect([again.status, origin.seen('/nothing.bin').length]).toEqual([404, 1])
      expect(again.headers.get('content-type')).toMatch(/^text\/plain/)
      origin.set('/nothing.bin', { body: 'now' })
      await sleep(EXPIRY_MS)
      expect((await get('nothing.bin')).text).toBe('now')
    })

    it('passes on that a file is gone for good', async () => {
      const { get, origin } = world.repo('missing2')
      origin.set('/gone.bin', { status: 410 })
      expect([404, 410]).toContain((await get('gone.bin')).status)
      await get('gone.bin')
      expect(origin.gets('/gone.bin')).toBe(1)
    })

    it('does not remember a refusal of the origin', async () => {
      const { get, origin } = world.repo('forbidding')
      origin.set('/later.bin', { status: 403, body: 'no' }, { body: 'yes' })
      const first = await get('later.bin')
      expect(first.status).toBeGreaterThanOrEqual(400)
      expect(first.text).not.toBe('no')
      expect((await get('later.bin')).text).toBe('yes')
    })

    it('answers 502, 503 or 504 with Retry-After where the origin fails and nothing is kept', async () => {
      const { get, origin } = world.repo('broken')
      origin.set('/fails.bin', { status: 500, body: 'secret stack trace' })
      const answer = await get('fails.bin')
      expect([502, 503, 504]).toContain(answer.status)
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
      expect(answer.text).not.toContain('secret stack trace')
      origin.set('/fails.bin', { body: 'well again' })
      expect((await get('fails.bin')).text).toBe('well again')
    })

    it('passes on when the origin asks to come later', async () => {
      const { get, origin } = world.repo('busy')
      origin.set('/busy.bin', { status: 429, retryAfter: '120' })
      const answer = await get('busy.bin')
      expect([429, 502, 503]).toContain(answer.status)
      expect(answer.headers.get('retry-after')).toBe('120')
    })

    it('answers 502, 503 or 504 with Retry-After where the origin is down and nothing is kept', async () => {
      const { get, origin } = world.repo('unreachable')
      await origin.down()
      const answer = await get('x.bin')
      expect([502, 503, 504]).toContain(answer.status)
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
      expect(answer.text).toMatch(/\w/)
      await origin.up()
    })

    it('leaves an origin in peace after five failures in a row', async () => {
      await prime('breaking', 'live/a')
      await prime('breaking', 'fixed.bin')
      const { get, head, origin } = world.repo('breaking')
      for (let i = 0; i < 5; i++) {
        origin.set(`/reset-${i}`, { reset: true })
        await get(`reset-${i}`)
      }
      await sleep(EXPIRY_MS)
      const asked = origin.requests.length
      origin.set('/fine.bin', { body: 'fine' })
      const began = Date.now()
      const answer = await get('fine.bin')
      expect([answer.status, origin.requests.length]).toEqual([503, asked])
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/)
      expect(Date.now() - began).toBeLessThan(1000)
      expect([(await head('fine.bin')).status, origin.requests.length]).toEqual([503, asked])
      expect((await get('fixed.bin')).text).toBe('kept')
      const stale = await get('live/a')
      expect([stale.text, origin.requests.length]).toEqual(['kept', asked])
    })

    it('does not take missing files for a failing origin', async () => {
      const { get, origin } = world.repo('patient')
      for (let i = 0; i < 7; i++) expect((await get(`none-${i}`)).status).toBe(404)
      origin.set('/there.bin', { body: 'there' })
      expect((await get('there.bin')).text).toBe('there')
    })
  })
}
