// Origins that break off, lie about their length, hang or drip: nothing partial is ever kept or passed off as whole,
// every wait ends, and the next request gets the right bytes.

import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { cacheStatusOf, expectFailure, sourceOf, useWorld } from '../contracts/app/suite.ts'
import { type Body, bytesBody, pattern, type Resource } from '../origin.ts'
import type { RawAnswer } from '../raw-http.ts'
import { expectNothingPartial, expectWhole, expectWholeOrFailed, residentBytes, suiteOf } from './world.ts'

/** No whole number of quarters: an origin that is asked to go on four times still has a byte left to end with. */
const SIZE = 1_000_001
const HALF = 500_000
const CUTS = [0, 250_000, HALF, 750_000, SIZE - 1]

/** How the origin frames its body, and whether it can be gone on with. */
const FRAMES: Readonly<Record<string, Resource>> = {
  'told its length': { noRanges: true },
  'told its length and a weak ETag, and has ranges': { etag: 'W/"v1"' },
  'told its length and a strong ETag, and has ranges': { etag: '"v1"' },
  'sends chunks': { chunked: true, noRanges: true },
  'sends chunks, told a strong ETag, and has ranges': { chunked: true, etag: '"v1"' },
}

for (const runtime of ['bun', 'node'] as const) {
  describe(`an origin that breaks off (${runtime})`, () => {
    const frames = Object.entries(FRAMES)
    const world = useWorld(suiteOf(runtime), {
      ...Object.fromEntries(frames.map((_, index) => [`cut-${index}`, {}])),
      reset: {},
      resume: {},
    })
    /** All that was kept so far. */
    const whole: Body[] = []

    for (const [index, [frame, resource]] of frames.entries()) {
      it(`keeps nothing partial at any quarter of a body of an origin that ${frame}`, async () => {
        const { origin, get } = world.repo(`cut-${index}`)
        for (const cutAt of CUTS) {
          const path = `cut-at-${cutAt}.bin`
          const body = pattern(SIZE, 100 * index + cutAt)
          origin.set(`/${path}`, { ...resource, body, cutAt })
          const first = await get(path)
          // A body that is the same for certain is gone on with, as long as something of it comes.
          const canGoOn = resource.etag === '"v1"' && cutAt > 0
          if (canGoOn) expectWholeOrFailed(first, body)
          else expectFailure(first)
          await expectNothingPartial(world.server, canGoOn ? [...whole, body] : whole)
          whole.push(body)

          origin.set(`/${path}`, { ...resource, body })
          expectWhole(await get(path), body)
          expect(sourceOf(await get(path))).toBe('cache')
        }
      })
    }

    it('goes on where a body broke off, when its validator is strong', async () => {
      const { origin, get } = world.repo('resume')
      const body = pattern(SIZE, 8)
      const resource = { etag: '"v1"', body, rate: 4_000_000 }
      origin.set('/resumed.bin', { ...resource, cutAt: 750_000 }, resource)
      expectWhole(await get('resumed.bin'), body)
      expect(origin.seen('/resumed.bin')[1]?.headers).toMatchObject({ 'if-range': '"v1"' })
      whole.push(body)
    })

    it('keeps nothing of a body whose connection is reset, nor of an answer that is', async () => {
      const { origin, get } = world.repo('reset')
      const body = pattern(SIZE, 7)
      for (const broken of [{ reset: true }, { body, cutAt: HALF, cutWith: 'rst' as const }]) {
        origin.set('/reset.bin', broken)
        expectFailure(await get('reset.bin'))
      }
      await expectNothingPartial(world.server, whole)
      origin.set('/reset.bin', { body })
      expectWhole(await get('reset.bin'), body)
    })
  })

  // Each with an origin of its own, so they can wait side by side.
  describe.concurrent(`an origin that lies, hangs or drips (${runtime})`, () => {
    const names = ['short', 'long', 'drip', 'mute', 'stall', 'loop', 'gzip', 'flood']
    const statuses = ['s500', 's429', 's404']
    const world = useWorld(
      suiteOf(runtime),
      Object.fromEntries([...names, ...statuses].map(name => [name, {}])),
      { env: { ORIGIN_CONNECT_SECONDS: '1', ORIGIN_FIRST_BYTE_SECONDS: '1', ORIGIN_IDLE_SECONDS: '1' } },
    )

    it('gives and keeps no more than Content-Length, and takes the rest for no other answer', async () => {
      const { origin, get } = world.repo('short')
      const body = pattern(SIZE, 20)
      origin.set('/file.bin', { body, saysLength: HALF })
      const answer = await get('file.bin')
      if (answer.status === 200 && answer.end === 'clean') expect(answer.body).toEqual(body.slice(0, HALF))
      origin.set('/next.bin', { body: 'next' })
      expect((await get('next.bin')).text).toBe('next')
    })

    it('keeps nothing of a body that is shorter than its Content-Length', async () => {
      const { origin, get } = world.repo('long')
      const body = pattern(SIZE, 21)
      origin.set('/file.bin', { body, saysLength: SIZE + 1 })
      expectFailure(await get('file.bin'))
      origin.set('/file.bin', { body })
      expectWhole(await get('file.bin'), body)
    })

    it('passes on the first bytes of a slow origin at once, and takes the body to its end', async () => {
      const { origin, open, get } = world.repo('drip')
      const body = pattern(400_000, 22)
      origin.set('/slow.bin', { body, rate: 200_000 })
      const began = Date.now()
      const answer = await open('slow.bin')
      await answer.read(1)
      expect(Date.now() - began).toBeLessThan(1000)
      expectWhole(await answer.finish(), body)
      expect(Date.now() - began).toBeGreaterThan(1500)
      expect(sourceOf(await get('slow.bin'))).toBe('cache')
    })

    it('answers 504 in time where the origin never begins to answer', async () => {
      const { origin, get } = world.repo('mute')
      origin.set('/file.bin', { hang: true })
      const began = Date.now()
      const answer = await get('file.bin')
      expect(answer.status).toBe(504)
      expect(Date.now() - began).toBeLessThan(3000)
      origin.set('/file.bin', { body: 'awake' })
      expect((await get('file.bin')).text).toBe('awake')
    })

    it('breaks off in time where the origin falls silent within a body', async () => {
      const { origin, get } = world.repo('stall')
      const body = pattern(SIZE, 23)
      origin.set('/file.bin', { body, hangAfter: HALF })
      const began = Date.now()
      expectFailure(await get('file.bin'))
      expect(Date.now() - began).toBeLessThan(4000)
      origin.set('/file.bin', { body })
      expectWhole(await get('file.bin'), body)
    })

    it('goes round in no circle of redirects', async () => {
      const { origin, get } = world.repo('loop')
      origin.set('/a', { redirect: '/b' })
      origin.set('/b', { redirect: '/a' })
      for (let i = 0; i < 40; i++) origin.set(`/far-${i}`, { redirect: `/far-${i + 1}` })
      expect((await get('a')).status).toBe(502)
      expect((await get('far-0')).status).toBe(502)
      expect(origin.requests.length).toBeLessThan(12)
    })

    for (const [status, extra] of [
      [500, {}],
      [429, { retryAfter: '77' }],
      [404, {}],
    ] as const) {
      it(`gives everyone who waits the same answer when the origin answers ${status}`, async () => {
        const { origin, get } = world.repo(`s${status}`)
        origin.set('/file.bin', { status, body: 'from the origin', ...extra })
        const hold = origin.hold('/file.bin', null)
        const pending = Array.from({ length: 10 }, () => get('file.bin'))
        await hold.reached
        await new Promise(resolve => setTimeout(resolve, 300))
        hold.release()
        const answers = await Promise.all(pending)
        expect(new Set(answers.map(inShort)).size).toBe(1)
        expect(answers[0]?.status).toBe({ 500: 502, 429: 503, 404: 404 }[status])
        expect(origin.gets('/file.bin')).toBe(1)
        if (status === 429) expect(answers[0]?.headers.get('retry-after')).toBe('77')
      })
    }

    it('passes on and keeps gzip bytes as they are, although plain ones were asked for', async () => {
      const { origin, get } = world.repo('gzip')
      const plain = pattern(300_000, 24)
      const zipped = bytesBody(gzipSync(plain.slice()))
      origin.set('/file.txt', { body: plain, gzip: true })
      for (const source of ['remote', 'cache']) {
        const answer = await get('file.txt', { 'accept-encoding': 'identity' })
        expectWhole(answer, zipped)
        expect([sourceOf(answer), answer.headers.get('content-encoding')]).toEqual([source, 'gzip'])
      }
      expect(origin.seen('/file.txt')[0]?.headers['accept-encoding']).toBe('identity')
    })

    it('refuses a flood of 100,000 header lines and lives', async () => {
      const { origin, get } = world.repo('flood')
      const pid = world.server.pid()
      const before = residentBytes(world.server)
      // Few but long ones are a flood too: HTTP clients count lines rather than bytes.
      const few = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`x-${i}`, 'y'.repeat(2000)]))
      for (const flood of [{ headerFlood: 100_000 }, { headerFlood: 2_000 }, { headers: few }]) {
        origin.set('/file.bin', { body: 'x', ...flood })
        const answer = await get('file.bin')
        expect([answer.status, answer.end]).toEqual([502, 'clean'])
      }
      expect(world.server.pid()).toBe(pid)
      expect(residentBytes(world.server) - before).toBeLessThan(150_000_000)
      origin.set('/file.bin', { body: 'fine' })
      expect((await get('file.bin')).text).toBe('fine')
    })
  })
}

function inShort(answer: RawAnswer): string {
  const { status, headers, end, text } = answer
  return JSON.stringify([status, end, headers.get('retry-after'), cacheStatusOf(answer), text])
}
