// How long an answer holds, and how it is asked for again: conditional GET, HEAD, or not at all.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { cacheStatusOf, metricOf, type Suite, sourceOf, testsOf, useWorld } from './suite.ts'

const LAST_MODIFIED = 'Mon, 02 Feb 2026 03:04:05 GMT'
/** Longer than the shortest time to live that can be configured. */
const EXPIRY_MS = 1_150

export function describeFreshness(suite: Suite): void {
  const it = testsOf(suite)
  describe('freshness', () => {
    const world = useWorld(suite, {
      always: { mutable_patterns: ['^live/'], cache: { mutable_ttl: 0 } },
      second: { mutable_patterns: ['^live/'], mutable_ttl: 1 },
      aging: { immutable_ttl: 1 },
      checked: { mutable_patterns: ['^live/'], check_mutable_updates: true, mutable_ttl: 0 },
    })

    it('never asks again for what is immutable', async () => {
      const { get, origin } = world.repo('always')
      origin.set('/fixed.bin', { body: 'one', etag: '"1"' }, { body: 'two', etag: '"2"' })
      for (let i = 0; i < 3; i++) expect((await get('fixed.bin')).text).toBe('one')
      expect(origin.seen('/fixed.bin')).toHaveLength(1)
    })

    it('asks again for what is immutable once immutable_ttl is over', async () => {
      const { get, origin } = world.repo('aging')
      origin.set('/aging.bin', { body: 'one', etag: '"1"' }, { body: 'two', etag: '"2"' })
      expect((await get('aging.bin')).text).toBe('one')
      expect((await get('aging.bin')).text).toBe('one')
      await sleep(EXPIRY_MS)
      expect((await get('aging.bin')).text).toBe('two')
    })

    it('does not ask within mutable_ttl, and asks after it', async () => {
      const { get, origin } = world.repo('second')
      origin.set('/live/a', { body: 'same', etag: '"a"' })
      await get('live/a')
      expect(sourceOf(await get('live/a'))).toBe('cache')
      expect(origin.gets('/live/a')).toBe(1)
      await sleep(EXPIRY_MS)
      const again = await get('live/a')
      expect([again.status, again.text]).toEqual([200, 'same'])
      expect(origin.seen('/live/a')[1]?.headers['if-none-match']).toBe('"a"')
    })

    it('serves its copy where the origin says it is unchanged, and holds it for another ttl', async () => {
      const { get, origin } = world.repo('second')
      origin.set('/live/b', { body: 'same', etag: '"b"' })
      await get('live/b')
      await sleep(EXPIRY_MS)
      const revalidated = await get('live/b')
      expect([sourceOf(revalidated), revalidated.text]).toEqual(['cache', 'same'])
      expect(cacheStatusOf(revalidated)).toMatch(/fwd=stale/)
      const asked = origin.requests.length
      expect(cacheStatusOf(await get('live/b'))).toMatch(/; *hit\b/)
      expect(origin.requests).toHaveLength(asked)
    })

    it('asks by date where the origin gave only a date', async () => {
      const { get, origin } = world.repo('always')
      origin.set('/live/dated', { body: 'dated', lastModified: LAST_MODIFIED })
      await get('live/dated')
      expect((await get('live/dated')).text).toBe('dated')
      expect(origin.seen('/live/dated')[1]?.headers['if-modified-since']).toBe(LAST_MODIFIED)
    })

    it('takes the new bytes when they changed', async () => {
      const { get, origin } = world.repo('always')
      origin.set('/live/changing', { body: 'one', etag: '"1"' }, { body: 'two', etag: '"2"' })
      const before = await get('live/changing')
      const after = await get('live/changing')
      expect([before.text, after.text]).toEqual(['one', 'two'])
      expect(sourceOf(after)).toBe('remote')
      expect(after.headers.get('etag')).not.toBe(before.headers.get('etag'))
    })

    it('asks every time where mutable_ttl is 0', async () => {
      const { get, origin } = world.repo('always')
      origin.set('/live/zero', { body: 'zero', etag: '"z"' })
      for (let i = 0; i < 3; i++) expect((await get('live/zero')).text).toBe('zero')
      const conditions = origin.seen('/live/zero').map(({ headers }) => headers['if-none-match'])
      expect(conditions).toEqual([undefined, '"z"', '"z"'])
    })

    it('takes listings as mutable without being told', async () => {
      const { get, origin } = world.repo('always')
      origin.set('/listing/', { body: 'one' }, { body: 'two' })
      expect((await get('listing/')).text).toBe('one')
      expect((await get('listing/')).text).toBe('two')
    })

    it('answers a client that has the bytes with 304 after asking the origin', async () => {
      const { get, origin } = world.repo('always')
      origin.set('/live/have', { body: 'have', etag: '"h"' })
      await get('live/have')
      const etag = (await get('live/have')).headers.get('etag') ?? ''
      const asked = origin.seen('/live/have').length
      expect((await get('live/have', { 'if-none-match': etag })).status).toBe(304)
      expect(origin.seen('/live/have')).toHaveLength(asked + 1)
    })

    it('shares one question among requests for the same expired object', async () => {
      const { get, origin } = world.repo('always')
      origin.set('/live/crowd', { body: 'crowd', etag: '"c"' })
      await get('live/crowd')
      const hold = origin.hold('/live/crowd', null)
      const answers = Array.from({ length: 8 }, () => get('live/crowd'))
      await hold.reached
      await sleep(300)
      hold.release()
      for (const answer of await Promise.all(answers))
        expect([answer.status, answer.text]).toEqual([200, 'crowd'])
      expect(origin.seen('/live/crowd')).toHaveLength(2)
    })

    it('checks with HEAD where check_mutable_updates says so', async () => {
      const { get, origin } = world.repo('checked')
      origin.set('/live/head', { body: 'same', etag: '"a"', lastModified: LAST_MODIFIED })
      await get('live/head')
      const again = await get('live/head')
      expect([again.text, sourceOf(again)]).toEqual(['same', 'cache'])
      expect([origin.gets('/live/head'), origin.heads('/live/head')]).toEqual([1, 1])
      expect(origin.seen('/live/head')[1]?.headers['if-none-match']).toBe('"a"')
    })

    it('compares validators where the origin ignores conditions', async () => {
      const { get, origin } = world.repo('checked')
      origin.set('/live/deaf', { body: 'same', etag: '"a"', noConditions: true })
      await get('live/deaf')
      expect((await get('live/deaf')).text).toBe('same')
      expect([origin.gets('/live/deaf'), origin.heads('/live/deaf')]).toEqual([1, 1])
    })

    it('fetches anew when the check found a change', async () => {
      const { get, origin } = world.repo('checked')
      origin.set('/live/moved', { body: 'one', etag: '"1"' })
      await get('live/moved')
      origin.set('/live/moved', { body: 'two', etag: '"2"' })
      expect((await get('live/moved')).text).toBe('two')
      expect([origin.gets('/live/moved'), origin.heads('/live/moved')]).toEqual([2, 1])
    })

    it('checks built-in mutable paths with GET all the same', async () => {
      const { get, origin } = world.repo('checked')
      origin.set('/listing/', { body: 'same', etag: '"l"' })
      await get('listing/')
      expect((await get('listing/')).text).toBe('same')
      expect([origin.gets('/listing/'), origin.heads('/listing/')]).toEqual([2, 0])
    })

    it('counts what it revalidated', async () => {
      const { get, origin } = world.repo('always')
      origin.set('/live/counted', { body: 'x', etag: '"x"' })
      await get('live/counted')
      await get('live/counted')
      const { text } = await world.ask('/metrics')
      expect(
        metricOf(text, 'artifactapi_requests_total', { repo: 'always', outcome: 'revalidated' }),
      ).toBeGreaterThan(0)
    })
  })
}
