// Nothing partial, nothing wrong: what breaks off is seen to break off, and is never kept.

import { describe, expect } from 'vitest'
import { bytesBody, pattern, type Resource, sha256Of } from '../../origin.ts'
import { cacheStatusOf, expectFailure, type Suite, sourceOf, testsOf, useWorld } from './suite.ts'

const SIZE = 1_000_000
const CUTS = [0, SIZE / 4, SIZE / 2, (SIZE * 3) / 4, SIZE - 1]

export function describeIntegrity(suite: Suite): void {
  const it = testsOf(suite)
  const names = [
    ...CUTS.map(cut => `cut-${cut}`),
    'chunked',
    'small',
    'long',
    'short',
    'reset',
    'resume',
    'mixed',
  ]
  const more = ['deaf', 'shifted', 'weak', 'digest', 'digest-small', 'resume-digest', 'flood', 'slow']
  describe('integrity', () => {
    // No two of these share an origin: each would count as a failure of the others.
    const world = useWorld(suite, Object.fromEntries([...names, ...more].map(name => [name, {}])))

    /** Asks for a body that must fail, then for the good one. */
    async function expectNotKept(name: string, broken: Resource) {
      const { origin, get } = world.repo(name)
      origin.set('/file.bin', broken)
      expectFailure(await get('file.bin'))
      const good = pattern(SIZE, 20)
      origin.set('/file.bin', { body: good })
      const again = await get('file.bin')
      expect([again.status, sourceOf(again), sha256Of(again.body)]).toEqual([200, 'remote', good.sha256])
      expect(sourceOf(await get('file.bin'))).toBe('cache')
    }

    for (const cut of CUTS) {
      it(`keeps nothing of a body that breaks off at byte ${cut} of ${SIZE}`, async () => {
        await expectNotKept(`cut-${cut}`, { body: pattern(SIZE, 20), cutAt: cut })
      })
    }

    it('does not end a chunked body that breaks off as if it were whole', async () => {
      const { origin, get } = world.repo('chunked')
      origin.set('/seen.bin', { body: pattern(SIZE, 20), chunked: true, cutAt: 600_000 })
      expectFailure(await get('seen.bin'))
    })

    it('keeps nothing of a chunked body that breaks off', async () => {
      const { origin, get } = world.repo('chunked')
      origin.set('/file.bin', { body: pattern(SIZE, 20), chunked: true, cutAt: 600_000 })
      await get('file.bin')
      origin.set('/file.bin', { body: pattern(SIZE, 21), chunked: true })
      expect(sha256Of((await get('file.bin')).body)).toBe(pattern(SIZE, 21).sha256)
      expect(sourceOf(await get('file.bin'))).toBe('cache')
    })

    it('keeps nothing of a small body that breaks off', async () => {
      await expectNotKept('small', { body: pattern(5000, 20), cutAt: 4000 })
    })

    it('keeps nothing of a body that is shorter than its Content-Length', async () => {
      await expectNotKept('long', { body: pattern(SIZE, 20), saysLength: SIZE + 10 })
    })

    it('keeps nothing of a body whose connection is reset', async () => {
      await expectNotKept('reset', { body: pattern(SIZE, 20), cutAt: 500_000, cutWith: 'rst' })
    })

    it('gives no more than Content-Length of a body that is longer', async () => {
      const { origin, get } = world.repo('short')
      const body = pattern(SIZE, 20)
      origin.set('/file.bin', { body, saysLength: 500_000 })
      const answer = await get('file.bin')
      if (answer.status === 200 && answer.end === 'clean') expect(answer.body).toEqual(body.slice(0, 500_000))
      origin.set('/next.bin', { body: 'next' })
      expect((await get('next.bin')).text).toBe('next')
    })

    it('goes on where the origin broke off, when it can tell that the bytes are the same', async () => {
      const { origin, get } = world.repo('resume')
      const body = pattern(SIZE, 21)
      origin.set('/file.bin', { body, etag: '"same"', cutAt: 600_000 }, { body, etag: '"same"' })
      const answer = await get('file.bin')
      expect([answer.status, answer.end, sha256Of(answer.body)]).toEqual([200, 'clean', body.sha256])
      const [, second] = origin.seen('/file.bin')
      expect(second?.headers['if-range']).toBe('"same"')
      expect(second?.headers.range).toMatch(/^bytes=[1-9]\d*-$/)
      expect(sourceOf(await get('file.bin'))).toBe('cache')
    })

    it('never joins the halves of two different bodies', async () => {
      const { origin, get } = world.repo('mixed')
      const [one, two] = [pattern(SIZE, 22), pattern(SIZE, 23)]
      origin.set('/file.bin', { body: one, etag: '"1"', cutAt: 600_000 }, { body: two, etag: '"2"' })
      const answer = await get('file.bin')
      if (answer.status === 200 && answer.end === 'clean') expect(sha256Of(answer.body)).toBe(two.sha256)
      expect(sha256Of((await get('file.bin')).body)).toBe(two.sha256)
    })

    it('does not go on with what an origin sends in spite of If-Range', async () => {
      const { origin, get } = world.repo('deaf')
      const [one, two] = [pattern(SIZE, 22), pattern(SIZE, 23)]
      origin.set(
        '/file.bin',
        { body: one, etag: '"1"', cutAt: 600_000 },
        { body: two, etag: '"2"', noIfRange: true },
      )
      expectFailure(await get('file.bin'))
      expect(sha256Of((await get('file.bin')).body)).toBe(two.sha256)
    })

    it('does not go on with another part than it asked for', async () => {
      const { origin, get } = world.repo('shifted')
      const body = pattern(SIZE, 22)
      const headers = { 'content-range': `bytes 600001-${SIZE - 1}/${SIZE}` }
      origin.set('/file.bin', { body, etag: '"1"', cutAt: 600_000 }, { body, etag: '"1"', headers })
      expectFailure(await get('file.bin'))
    })

    it('does not go on by a weak validator', async () => {
      await expectNotKept('weak', { body: pattern(SIZE, 20), etag: 'W/"weak"', cutAt: 600_000 })
      const { origin } = world.repo('weak')
      expect(origin.requests.filter(request => request.headers.range !== undefined)).toEqual([])
    })

    it('keeps nothing whose digest is not what the origin said', async () => {
      const headers = { 'repr-digest': reprDigest(pattern(SIZE, 99).sha256) }
      await expectNotKept('digest', { body: pattern(SIZE, 20), headers })
    })

    it('refuses a small body whose digest is not what the origin said', async () => {
      const headers = { 'repr-digest': reprDigest(pattern(5000, 99).sha256) }
      await expectNotKept('digest-small', { body: pattern(5000, 20), headers })
    })

    it('keeps a body whose digest is what the origin said', async () => {
      const { origin, get } = world.repo('resume-digest')
      const body = bytesBody('digested')
      origin.set('/file.bin', { body, headers: { 'repr-digest': reprDigest(body.sha256) } })
      expect((await get('file.bin')).text).toBe('digested')
      expect(cacheStatusOf(await get('file.bin'))).toMatch(/; *hit\b/)
    })

    it('survives an origin that floods it with headers', async () => {
      const { origin, get } = world.repo('flood')
      origin.set('/file.bin', { body: 'x', headerFlood: 100_000 })
      expect([502, 503, 504]).toContain((await get('file.bin')).status)
      origin.set('/file.bin', { body: 'fine' })
      expect((await get('file.bin')).text).toBe('fine')
    })

    it('takes a body that comes in drips', async () => {
      const { origin, get } = world.repo('slow')
      const body = pattern(3000, 24)
      origin.set('/file.bin', { body, rate: 1500 })
      const answer = await get('file.bin')
      expect([answer.end, sha256Of(answer.body)]).toEqual(['clean', body.sha256])
    })
  })
}

function reprDigest(sha256: string): string {
  return `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`
}
