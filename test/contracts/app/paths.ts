// Hostile and odd requests, byte by byte over a raw socket: clients that tidy addresses would hide them.

import { describe, expect } from 'vitest'
import type { RawAnswer } from '../../raw-http.ts'
import { type Suite, testsOf, useWorld } from './suite.ts'

const BASE = '/api/v1/remote/files'

/** No URL parser changes these on the way to us. */
const HOSTILE = [
  '/..%2fsecret',
  '/a/..%2f..%2fsecret',
  '/..%5csecret',
  '/a%5cb',
  '/a%00b',
  '/a%0ab',
  '/a%0d%0aX-Injected:%201',
  '/a%7fb',
  '/a%1bb',
  '/%2e%2e%2fsecret',
  '/a/.%2e%2fb',
  '/a%zz',
  '/a%',
  '/%c0%ae%c0%ae/secret',
  '/%ff',
]

/** Some runtimes resolve or rewrite these before we see them; what is left must then stay in the repository. */
const CLIMBING = [
  '/../secret',
  '/../../../../etc/passwd',
  '/a/../../other/secret',
  '/%2e%2e/secret',
  '/%2E%2E/%2e%2e/secret',
  '/.%2e/secret',
  '/a/./%2e%2e/%2e%2e/secret',
  '/..\\secret',
  '/a\\..\\..\\secret',
]

export function describePaths(suite: Suite): void {
  const it = testsOf(suite)
  describe('hostile paths', () => {
    const world = useWorld(suite, { files: { base_path: '/base' }, other: {} })

    const untouched = () =>
      expect(world.repo('files').origin.requests.map(request => request.path)).toEqual([])

    for (const path of HOSTILE) {
      it(`refuses ${path}`, async () => {
        const answer = await world.ask(`${BASE}${path}`)
        expect(answer.status, answer.text).toBe(400)
        expect(answer.headers.get('x-injected')).toBeNull()
        untouched()
      })
    }

    for (const path of CLIMBING) {
      it(`does not climb by ${path}`, async () => {
        const answer = await refusable(world.ask(`${BASE}${path}`))
        expect([400, 404], answer?.text).toContain(answer?.status ?? 400)
        untouched()
      })
    }

    it('refuses control characters in a request line', async () => {
      for (const path of ['/a\u0000b', '/a\u0001b', '/a\u007fb']) {
        const answer = await refusable(world.ask(`${BASE}${path}`))
        // Bun answers 505 to what it cannot read as a request line.
        expect([400, 404, 505]).toContain(answer?.status ?? 400)
      }
      untouched()
    })

    it('refuses a path that is too long', async () => {
      const answer = await world.ask(`${BASE}/${'a'.repeat(1100)}`)
      expect(answer.status).toBe(414)
      untouched()
    })

    it('refuses a request line beyond all measure', async () => {
      const answer = await refusable(world.ask(`${BASE}/${'a'.repeat(100_000)}`))
      expect([400, 413, 414, 431]).toContain(answer?.status ?? 414)
      untouched()
    })

    it('refuses a query that is too long', async () => {
      const answer = await world.ask(`${BASE}/a?q=${'b'.repeat(5000)}`)
      expect(answer.status).toBe(414)
      untouched()
    })

    it('takes a path of the greatest length', async () => {
      const { origin } = world.repo('other')
      const name = 'a'.repeat(1024)
      origin.set(`/${name}`, { body: 'long' })
      expect((await world.ask(`/api/v1/remote/other/${name}`)).text).toBe('long')
    })

    it('is no forward proxy', async () => {
      const target = world.repo('other').origin
      target.set('/proxied', { body: 'through a proxy' })
      const answer = await refusable(world.ask(`${target.url}/proxied`))
      expect(answer?.text ?? '').not.toContain('through a proxy')
      expect(target.seen('/proxied')).toEqual([])
    })

    it('answers 405 with Allow to methods it does not have', async () => {
      for (const method of ['POST', 'PATCH']) {
        const answer = await world.ask(`${BASE}/a.bin`, { method, body: '' })
        expect([method, answer.status]).toEqual([method, 405])
        expect(answer.headers.get('allow')).toMatch(/GET/)
        expect(answer.headers.get('allow')).toMatch(/HEAD/)
      }
      untouched()
    })

    it('answers 404 with the name of a repository it does not have', async () => {
      const answer = await world.ask('/api/v1/remote/no-such-repo/a.bin')
      expect(answer.status).toBe(404)
      expect(answer.headers.get('content-type')).toMatch(/^text\/plain/)
      expect(answer.text).toContain('no-such-repo')
    })

    it('answers 404 to addresses it does not have', async () => {
      for (const path of ['/nothing', '/api', '/api/v1', '/api/v1/remote', '/api/v1/local/files/a']) {
        expect([path, (await world.ask(path)).status]).toEqual([path, 404])
      }
    })

    it('goes on serving afterwards', async () => {
      const { origin, get } = world.repo('files')
      origin.set('/base/fine.bin', { body: 'fine' })
      expect((await get('fine.bin')).text).toBe('fine')
    })
  })
}

/** A server may also close the connection on what is no HTTP. */
function refusable(answer: Promise<RawAnswer>): Promise<RawAnswer | null> {
  return answer.catch(() => null)
}
