// What a repository refuses: both meanings of its patterns, and quarantine.

import { describe, expect } from 'vitest'
import { metricOf, type Suite, sourceOf, testsOf, useWorld } from './suite.ts'

const DAY_MS = 86_400_000
const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS).toUTCString()

export function describePolicy(suite: Suite): void {
  const it = testsOf(suite)
  describe('policy', () => {
    const world = useWorld(suite, {
      older: {
        immutable_patterns: ['^dist/.*\\.tgz$'],
        mutable_patterns: ['^index\\.html$'],
        mutable_ttl: 0,
      },
      newer: { patterns: ['^pub/'], blocklist: ['secret'] },
      loose: { patterns: ['pub/'] },
      blocking: { blocklist: ['\\.exe$'] },
      forcing: { blocklist: ['^never/'], immutable_patterns: ['^fixed/'], mutable_ttl: 0 },
      careful: { quarantine_new: true, quarantine_days: 7 },
      stern: { quarantine_new: true, quarantine_days: 7, quarantine_status: 403 },
    })

    async function expectDenied(name: string, path: string) {
      const { get, origin } = world.repo(name)
      origin.set(`/${path}`, { body: 'not for you' })
      const answer = await get(path)
      expect([path, answer.status]).toEqual([path, 403])
      expect(answer.headers.get('content-type')).toMatch(/^text\/plain/)
      expect(answer.text).not.toContain('not for you')
      expect(answer.text.length).toBeGreaterThan(10)
      expect(origin.requests).toEqual(origin.requests.filter(request => request.path !== `/${path}`))
    }

    async function expectServed(name: string, path: string) {
      const { get, origin } = world.repo(name)
      origin.set(`/${path}`, { body: `body of ${path}` })
      const answer = await get(path)
      expect([path, answer.status, answer.text]).toEqual([path, 200, `body of ${path}`])
    }

    it('takes immutable_patterns alone as the list of what is allowed', async () => {
      await expectServed('older', 'dist/a.tgz')
      await expectDenied('older', 'dist/a.zip')
      await expectDenied('older', 'other/a.tgz')
    })

    it('allows what is mutable beside immutable_patterns, by own pattern or built in', async () => {
      await expectServed('older', 'index.html')
      await expectServed('older', 'listing/')
    })

    it('takes patterns as the list of what is allowed, and denies by blocklist first', async () => {
      await expectServed('newer', 'pub/a.bin')
      await expectDenied('newer', 'private/a.bin')
      await expectDenied('newer', 'pub/secret.bin')
    })

    it('allows everything but the blocklist where patterns are empty', async () => {
      await expectServed('blocking', 'tool.bin')
      await expectDenied('blocking', 'tool.exe')
    })

    it('is not deceived by another spelling of a path', async () => {
      const { get, origin } = world.repo('newer')
      origin.set('/pub/%73ecret.bin', { body: 'x' })
      expect((await get('pub/%73ecret.bin')).status).toBe(403)
      expect((await get('%70rivate/b.bin')).status).toBe(403)
    })

    it('does not look into the query for what is allowed', async () => {
      await expectDenied('loose', 'private/c.bin?x=pub/')
    })

    it('takes immutable_patterns beside a blocklist as a class only', async () => {
      await expectServed('forcing', 'anything.bin')
      const { get, origin } = world.repo('forcing')
      origin.set('/fixed/listing/', { body: 'one' }, { body: 'two' })
      expect((await get('fixed/listing/')).text).toBe('one')
      expect((await get('fixed/listing/')).text).toBe('one')
      expect(origin.gets('/fixed/listing/')).toBe(1)
    })

    it('refuses HEAD of what GET is refused', async () => {
      const answer = await world.repo('newer').head('private/a.bin')
      expect([answer.status, answer.body.byteLength]).toEqual([403, 0])
    })

    it('counts what it denied', async () => {
      await world.repo('newer').get('private/counted.bin')
      const { text } = await world.ask('/metrics')
      expect(
        metricOf(text, 'artifactapi_requests_total', { repo: 'newer', outcome: 'denied' }),
      ).toBeGreaterThan(0)
    })

    it('holds back what the origin published too recently', async () => {
      const { get, head, origin } = world.repo('careful')
      origin.set('/young.bin', { body: 'young', lastModified: daysAgo(2) })
      const answer = await get('young.bin')
      expect(answer.status).toBe(404)
      expect(answer.text).toMatch(/quarantine|withheld|held back|days/i)
      expect((await head('young.bin')).status).toBe(404)
    })

    it('remembers what it holds back', async () => {
      const { get, origin } = world.repo('careful')
      origin.set('/young-again.bin', { body: 'young', lastModified: daysAgo(1) })
      await get('young-again.bin')
      const asked = origin.seen('/young-again.bin').length
      expect((await get('young-again.bin')).status).toBe(404)
      expect(origin.seen('/young-again.bin')).toHaveLength(asked)
    })

    it('serves what is old enough, and what has no date', async () => {
      const { get, origin } = world.repo('careful')
      origin.set('/old.bin', { body: 'old', lastModified: daysAgo(30) })
      origin.set('/undated.bin', { body: 'undated' })
      expect((await get('old.bin')).text).toBe('old')
      expect((await get('undated.bin')).text).toBe('undated')
      expect(sourceOf(await get('old.bin'))).toBe('cache')
    })

    it('holds back with another status where the repository says so', async () => {
      const { get, origin } = world.repo('stern')
      origin.set('/young.bin', { body: 'young', lastModified: daysAgo(2) })
      expect((await get('young.bin')).status).toBe(403)
    })
  })
}
