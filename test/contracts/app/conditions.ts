// Parts of a file and conditional requests (RFC 9110 §13, §14) on what is stored.

import { beforeAll, describe, expect } from 'vitest'
import { pattern, sha256Of } from '../../origin.ts'
import { eventually, type Suite, sourceOf, testsOf, useWorld } from './suite.ts'

const LAST_MODIFIED = 'Mon, 02 Feb 2026 03:04:05 GMT'
const BODY = pattern(1000, 5)

export function describeConditions(suite: Suite): void {
  const it = testsOf(suite)
  describe('ranges and conditions', () => {
    const world = useWorld(suite, { files: { package: 'generic' } })
    const get = (headers: Record<string, string>) => world.repo('files').get('thousand.bin', headers)
    let etag = ''

    beforeAll(async () => {
      const { origin } = world.repo('files')
      origin.set('/thousand.bin', { body: BODY, etag: '"of-origin"', lastModified: LAST_MODIFIED })
      await get({})
      etag = (await get({})).headers.get('etag') ?? ''
    })

    const parts = [
      ['the first bytes', 'bytes=0-9', 0, 10],
      ['one byte', 'bytes=0-0', 0, 1],
      ['an open end', 'bytes=500-', 500, 1000],
      ['the last bytes', 'bytes=-10', 990, 1000],
      ['more last bytes than there are', 'bytes=-5000', 0, 1000],
      ['an end beyond the file', 'bytes=990-2000', 990, 1000],
    ] as const
    for (const [name, range, start, end] of parts) {
      it(`serves ${name}: ${range}`, async () => {
        const answer = await get({ range })
        expect(answer.status).toBe(206)
        expect(answer.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/1000`)
        expect(answer.headers.get('content-length')).toBe(String(end - start))
        expect(answer.body).toEqual(BODY.slice(start, end))
        expect(answer.headers.get('etag')).toBe(etag)
      })
    }

    for (const range of ['bytes=1000-', 'bytes=500-0', 'bytes=-0']) {
      it(`refuses a range that is not in the file: ${range}`, async () => {
        const answer = await get({ range })
        expect([answer.status, answer.headers.get('content-range')]).toEqual([416, 'bytes */1000'])
      })
    }

    for (const range of ['bytes=0-1,5-6', 'lines=0-1', 'bytes=x']) {
      it(`serves the whole file where a range is not one we know: ${range}`, async () => {
        const answer = await get({ range })
        expect([answer.status, sha256Of(answer.body)]).toEqual([200, BODY.sha256])
      })
    }

    it('answers 304 where the client has the bytes', async () => {
      for (const given of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
        const answer = await get({ 'if-none-match': given })
        expect([given, answer.status, answer.body.byteLength]).toEqual([given, 304, 0])
        expect(answer.headers.get('etag')).toBe(etag)
      }
    })

    it('answers 304 to a client that has the bytes from the origin', async () => {
      expect((await get({ 'if-none-match': '"of-origin"' })).status).toBe(304)
    })

    it('serves the file where the client has others', async () => {
      const answer = await get({ 'if-none-match': '"other"' })
      expect([answer.status, answer.body.byteLength]).toEqual([200, 1000])
    })

    it('answers 304 where nothing changed since the date', async () => {
      expect((await get({ 'if-modified-since': LAST_MODIFIED })).status).toBe(304)
      expect((await get({ 'if-modified-since': 'Mon, 02 Feb 2026 03:04:04 GMT' })).status).toBe(200)
      expect((await get({ 'if-modified-since': 'yesterday' })).status).toBe(200)
    })

    it('lets the validator decide over the date', async () => {
      const answer = await get({ 'if-none-match': '"other"', 'if-modified-since': LAST_MODIFIED })
      expect(answer.status).toBe(200)
    })

    it('answers HEAD with 304 as well', async () => {
      const answer = await world.repo('files').head('thousand.bin', { 'if-none-match': etag })
      expect(answer.status).toBe(304)
    })

    it('continues a download of the same bytes', async () => {
      for (const condition of [etag, '"of-origin"', LAST_MODIFIED]) {
        const answer = await get({ range: 'bytes=100-', 'if-range': condition })
        expect([condition, answer.status]).toEqual([condition, 206])
        expect(answer.body).toEqual(BODY.slice(100))
      }
    })

    it('starts over where the client has other bytes', async () => {
      for (const condition of ['"other"', `W/${etag}`, 'Mon, 02 Feb 2026 03:04:04 GMT']) {
        const answer = await get({ range: 'bytes=100-', 'if-range': condition })
        expect([condition, answer.status, answer.body.byteLength]).toEqual([condition, 200, 1000])
      }
    })

    it('serves a part of a file it does not have, and keeps the whole', async () => {
      const { origin, get: ask } = world.repo('files')
      const body = pattern(400_000, 6)
      origin.set('/cold.bin', { body })
      const part = await ask('cold.bin', { range: 'bytes=1000-1999' })
      expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 1000-1999/400000'])
      expect(part.headers.get('content-length')).toBe('1000')
      expect(part.body).toEqual(body.slice(1000, 2000))
      await eventually(async () => expect(sourceOf(await ask('cold.bin'))).toBe('cache'))
      expect(sha256Of((await ask('cold.bin')).body)).toBe(body.sha256)
      expect(origin.gets('/cold.bin')).toBe(1)
      expect(origin.seen('/cold.bin')[0]?.headers.range).toBeUndefined()
    })

    it('refuses a part beyond a file it does not have', async () => {
      const { origin, get: ask } = world.repo('files')
      origin.set('/cold-short.bin', { body: 'short' })
      expect((await ask('cold-short.bin', { range: 'bytes=9-' })).status).toBe(416)
    })

    it('serves parts of a large file from where it is stored', async () => {
      const { origin, get: ask } = world.repo('files')
      const body = pattern(5_000_000, 8)
      origin.set('/big.bin', { body })
      await ask('big.bin')
      const answer = await ask('big.bin', { range: 'bytes=3000000-4999999' })
      expect([answer.status, answer.headers.get('content-length')]).toEqual([206, '2000000'])
      expect(sha256Of(answer.body)).toBe(sha256Of(body.slice(3_000_000)))
      expect((await ask('big.bin', { range: 'bytes=-1' })).body).toEqual(body.slice(4_999_999))
    })
  })
}
