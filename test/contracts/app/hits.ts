// A miss, then hits: what is asked of the origin, what is kept, what an answer says of itself.

import { readdir } from 'node:fs/promises'
import { describe, expect } from 'vitest'
import { pattern, sha256Of } from '../../origin.ts'
import { cacheStatusOf, eventually, parseJson, type Suite, sourceOf, testsOf, useWorld } from './suite.ts'

const LAST_MODIFIED = 'Mon, 02 Feb 2026 03:04:05 GMT'

export function describeHits(suite: Suite): void {
  const it = testsOf(suite)
  describe('a miss, then hits', () => {
    const world = useWorld(suite, { files: { package: 'generic' }, more: { package: 'generic' } })
    const files = () => world.repo('files')

    async function primed(path: string, resource: Parameters<ReturnType<typeof files>['origin']['set']>[1]) {
      files().origin.set(`/${path}`, resource)
      expect((await files().get(path)).status).toBe(200)
      return await files().get(path)
    }

    it('fetches a file once and serves it from the cache afterwards', async () => {
      files().origin.set('/once.bin', { body: pattern(50_000) })
      const answers = [
        await files().get('once.bin'),
        await files().get('once.bin'),
        await files().get('once.bin'),
      ]
      expect(answers.map(sourceOf)).toEqual(['remote', 'cache', 'cache'])
      expect(answers.map(answer => sha256Of(answer.body))).toEqual(Array(3).fill(pattern(50_000).sha256))
      expect(files().origin.requests.filter(request => request.path === '/once.bin')).toHaveLength(1)
    })

    it('says in Cache-Status how it answered', async () => {
      files().origin.set('/status.bin', { body: 'status' })
      const miss = cacheStatusOf(await files().get('status.bin'))
      expect(miss).toMatch(/^artifactapi\b.*; *fwd=(uri-)?miss\b/)
      expect(miss).toMatch(/; *stored\b/)
      const hit = cacheStatusOf(await files().get('status.bin'))
      expect(hit).toMatch(/^artifactapi\b.*; *hit\b/)
      expect(hit).not.toMatch(/fwd=/)
    })

    it('tells digest, validators and age of a stored file', async () => {
      const body = pattern(3_000)
      const { headers } = await primed('facts.tar.gz', {
        body,
        etag: '"origin"',
        lastModified: LAST_MODIFIED,
      })
      const base64 = Buffer.from(body.sha256, 'hex').toString('base64')
      expect(headers.get('repr-digest')).toBe(`sha-256=:${base64}:`)
      expect(headers.get('etag')).toMatch(/^"[^"]+"$/)
      expect(headers.get('etag')).toContain(body.sha256.slice(0, 32))
      expect(headers.get('last-modified')).toBe(LAST_MODIFIED)
      expect(headers.get('age')).toMatch(/^\d+$/)
      expect(headers.get('accept-ranges')).toBe('bytes')
      expect(headers.get('content-disposition')).toMatch(/filename="?facts\.tar\.gz"?/)
      expect(headers.get('content-length')).toBe('3000')
    })

    it('names a file in Content-Disposition without letting its name break out', async () => {
      const { headers } = await primed('odd%22%3B%20x=%22name.bin', { body: 'odd' })
      const disposition = headers.get('content-disposition') ?? ''
      expect(disposition).toMatch(/filename/)
      expect(disposition.replaceAll(/\\"/g, '').split('"').length).toBeLessThanOrEqual(3)
    })

    it('serves files with names beyond ASCII', async () => {
      const { status, headers, text } = await primed('gr%C3%BC%C3%9Fe.txt', { body: 'hallo' })
      expect([status, text]).toEqual([200, 'hallo'])
      expect(headers.get('content-disposition')).toMatch(/filename\*=UTF-8''gr%C3%BC%C3%9Fe\.txt/i)
    })

    it('gives a streamed miss the validator of the origin and no digest it does not know yet', async () => {
      files().origin.set('/streamed.bin', { body: pattern(2_000_000), etag: '"strong"' })
      const hold = files().origin.hold('/streamed.bin', 1_000_000)
      const answer = await files().open('streamed.bin')
      expect(answer.headers.get('etag')).toBe('"strong"')
      expect(answer.headers.get('repr-digest')).toBeNull()
      hold.release()
      const { end, body } = await answer.finish()
      expect([end, sha256Of(body)]).toEqual(['clean', pattern(2_000_000).sha256])
    })

    it('gives a streamed miss no validator where the origin has only a weak one', async () => {
      files().origin.set('/weak.bin', { body: pattern(2_000_000), etag: 'W/"weak"' })
      const hold = files().origin.hold('/weak.bin', 1_000_000)
      const answer = await files().open('weak.bin')
      expect(answer.headers.get('etag')).toBeNull()
      hold.release()
      expect((await answer.finish()).end).toBe('clean')
    })

    it('keeps the content type of the origin', async () => {
      const { headers } = await primed('typed.bin', {
        body: 'x',
        contentType: 'text/x-special; charset=utf-8',
      })
      expect(headers.get('content-type')).toBe('text/x-special; charset=utf-8')
    })

    it('detects a content type where the origin tells none', async () => {
      const json = await primed('untold.json', { body: '{}' })
      expect(json.headers.get('content-type')).toMatch(/^application\/json/)
      const bare = await primed('untold', { body: 'x' })
      expect(bare.headers.get('content-type')).toBe('application/octet-stream')
    })

    it('tells the length of a small miss', async () => {
      files().origin.set('/small.bin', { body: pattern(10_000) })
      const miss = await files().get('small.bin')
      expect([sourceOf(miss), miss.headers.get('content-length')]).toEqual(['remote', '10000'])
    })

    it('keeps a body of unknown length, and tells the length afterwards', async () => {
      for (const how of [{ chunked: true }, { untilClose: true }]) {
        const path = `unknown-${Object.keys(how)[0]}.bin`
        const hit = await primed(path, { body: pattern(70_000), ...how })
        expect([sourceOf(hit), hit.headers.get('content-length')]).toEqual(['cache', '70000'])
        expect(sha256Of(hit.body)).toBe(pattern(70_000).sha256)
      }
    })

    it('serves a large file byte for byte, as a miss and as a hit', async () => {
      const body = pattern(20_000_000, 3)
      files().origin.set('/large.bin', { body, etag: '"large"' })
      for (const source of ['remote', 'cache']) {
        const answer = await files().get('large.bin')
        expect([sourceOf(answer), answer.end, sha256Of(answer.body)]).toEqual([source, 'clean', body.sha256])
      }
      expect((await files().get('large.bin')).headers.get('content-length')).toBe('20000000')
    })

    it('keeps an empty file', async () => {
      await primed('empty', { body: '' })
      // There is no last byte that could be held back until it is stored.
      await eventually(async () => expect(sourceOf(await files().get('empty'))).toBe('cache'))
      const hit = await files().get('empty')
      expect([hit.status, hit.headers.get('content-length'), hit.body.byteLength]).toEqual([200, '0', 0])
      expect(files().origin.gets('/empty')).toBe(1)
    })

    it('asks the origin with HEAD for a HEAD of what is not kept, and keeps nothing', async () => {
      files().origin.set('/peek.bin', { body: pattern(1234), etag: '"peek"', lastModified: LAST_MODIFIED })
      const head = await files().head('peek.bin')
      expect([head.status, head.headers.get('content-length')]).toEqual([200, '1234'])
      expect(head.headers.get('last-modified')).toBe(LAST_MODIFIED)
      expect([files().origin.heads('/peek.bin'), files().origin.gets('/peek.bin')]).toEqual([1, 0])
      expect(sourceOf(await files().get('peek.bin'))).toBe('remote')
    })

    it('answers HEAD of a file that the origin does not have with 404', async () => {
      const head = await files().head('nowhere.bin')
      expect([head.status, head.body.byteLength]).toEqual([404, 0])
    })

    it('answers HEAD of a stored file with the headers of its GET', async () => {
      const get = await primed('both.json', { body: '{"a":1}', lastModified: LAST_MODIFIED })
      const head = await files().head('both.json')
      const told = ['content-length', 'content-type', 'etag', 'last-modified', 'accept-ranges']
      for (const name of [...told, 'content-disposition', 'repr-digest', 'x-artifact-source']) {
        expect(head.headers.get(name), name).toBe(get.headers.get(name))
      }
      expect([head.status, head.body.byteLength]).toEqual([200, 0])
    })

    it('takes the query as part of the name', async () => {
      files().origin.set('/q?v=1', { body: 'one' })
      files().origin.set('/q?v=2', { body: 'two' })
      const texts = []
      for (const path of ['q?v=1', 'q?v=2', 'q?v=1', 'q?v=2']) texts.push((await files().get(path)).text)
      expect(texts).toEqual(['one', 'two', 'one', 'two'])
      expect(files().origin.gets('/q?v=1')).toBe(1)
    })

    it('takes two spellings of a path as one object', async () => {
      files().origin.set('/spell/abc', { body: 'spelled' })
      await files().get('spell/abc')
      const other = await files().get('spell/%61b%63')
      expect([other.text, sourceOf(other)]).toEqual(['spelled', 'cache'])
      expect(files().origin.requests.filter(({ path }) => path.startsWith('/spell/'))).toHaveLength(1)
    })

    it('keeps a plus, a space and an encoded slash apart', async () => {
      for (const name of ['a+b', 'a%20b', 'a%2Fb', 'a/b'])
        files().origin.set(`/apart/${name}`, { body: name })
      for (const name of ['a+b', 'a%20b', 'a%2Fb', 'a/b']) {
        expect((await files().get(`apart/${name}`)).text).toBe(name)
        expect((await files().get(`apart/${name}`)).text).toBe(name)
      }
    })

    it('answers under the earliest form of the address too', async () => {
      files().origin.set('/early/file.bin', { body: 'early' })
      expect((await world.ask('/api/files/early/file.bin')).text).toBe('early')
      expect(sourceOf(await files().get('early/file.bin'))).toBe('cache')
    })

    it('does not let a client go around the cache', async () => {
      await primed('nocache.bin', { body: 'kept' })
      const answer = await files().get('nocache.bin', { 'cache-control': 'no-cache', pragma: 'no-cache' })
      expect(sourceOf(answer)).toBe('cache')
      expect(files().origin.gets('/nocache.bin')).toBe(1)
    })

    it('keeps what came gzip-encoded as it came', async () => {
      // Of a type that Cloudflare's edge, and what stands in for it in tests, does not recode by itself.
      files().origin.set('/forced.bin', { body: 'text '.repeat(2000), gzip: true })
      const sent = await files().get('forced.bin')
      const hit = await files().get('forced.bin', { 'accept-encoding': 'identity' })
      for (const answer of [sent, hit]) {
        expect(answer.headers.get('content-encoding')).toBe('gzip')
        expect([...answer.body.subarray(0, 2)]).toEqual([0x1f, 0x8b])
      }
      expect(hit.body).toEqual(sent.body)
    })

    it('asks the origin for plain bytes', async () => {
      await primed('identity.bin', { body: 'x' })
      const [request] = files().origin.seen('/identity.bin')
      expect(request?.headers['accept-encoding'] ?? 'identity').toBe('identity')
    })

    it('does not pass the words of a client on to the origin', async () => {
      files().origin.set('/private.bin', { body: 'x' })
      await files().get('private.bin', {
        authorization: 'Bearer client',
        cookie: 'a=b',
        'x-forwarded-for': '1.2.3.4',
      })
      const [request] = files().origin.seen('/private.bin')
      expect(Object.keys(request?.headers ?? {})).not.toEqual(expect.arrayContaining(['authorization']))
      expect(Object.keys(request?.headers ?? {})).not.toEqual(expect.arrayContaining(['cookie']))
    })

    it('stores the same bytes of two repositories once', async () => {
      const body = pattern(300_000, 99)
      const blobs = async () => {
        const { store } = parseJson(await world.manage('GET', '/api/v2/stats')) as {
          store: { blobs: number }
        }
        return store.blobs
      }
      const before = await blobs()
      files().origin.set('/same.bin', { body })
      world.repo('more').origin.set('/other-name.bin', { body })
      await files().get('same.bin')
      await world.repo('more').get('other-name.bin')
      expect(sourceOf(await world.repo('more').get('other-name.bin'))).toBe('cache')
      expect(await blobs()).toBe(before + 1)
      // What R2 holds cannot be seen from outside.
      if (suite.runtime === 'workers') return
      await eventually(async () => {
        const names = await readdir(world.server.dataDir, { recursive: true })
        expect(names.filter(name => name.includes(body.sha256))).toHaveLength(1)
      })
    })
  })
}
