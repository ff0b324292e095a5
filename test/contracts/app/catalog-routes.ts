// What is cached, from outside: flush, listing, batch fetch, with their early spellings.

import { describe, expect } from 'vitest'
import type { RawAnswer } from '../../raw-http.ts'
import { eventually, parseJson, type Suite, sourceOf, testsOf, useWorld } from './suite.ts'

export function describeCatalogRoutes(suite: Suite): void {
  const it = testsOf(suite)
  describe('flush, listing and batch', () => {
    const world = useWorld(suite, {
      flushed: { mutable_patterns: ['^live/'] },
      listed: {},
      batched: {},
      guarded: { patterns: ['^pub/'] },
      store: { type: 'local', package: 'generic' },
    })

    async function prime(name: string, ...paths: string[]) {
      const { origin, get } = world.repo(name)
      for (const path of paths) {
        origin.set(`/${path}`, { body: path })
        await get(path)
        expect(sourceOf(await get(path))).toBe('cache')
      }
    }
    const flush = (body: unknown) => world.manage('PUT', '/cache/flush', body)
    /** Where an object comes from now: told by HEAD, which keeps nothing. */
    const isKept = async (name: string, path: string) =>
      sourceOf(await world.repo(name).head(path)) === 'cache'

    it('flushes by path', async () => {
      await prime('flushed', 'a/1.bin', 'a/2.bin')
      const answer = await flush({ remote: 'flushed', paths: ['a/1.bin'] })
      expect(answer.status).toBe(200)
      expect(JSON.stringify(parseJson(answer))).toMatch(/a\/1\.bin|\b1\b/)
      expect([await isKept('flushed', 'a/1.bin'), await isKept('flushed', 'a/2.bin')]).toEqual([false, true])
    })

    it('flushes by pattern', async () => {
      await prime('flushed', 'b/1.tgz', 'b/2.zip')
      expect((await flush({ remote: 'flushed', pattern: '^b/.*\\.tgz$' })).status).toBe(200)
      expect([await isKept('flushed', 'b/1.tgz'), await isKept('flushed', 'b/2.zip')]).toEqual([false, true])
    })

    it('flushes only what is mutable where told so', async () => {
      await prime('flushed', 'live/c.bin', 'c.bin')
      expect((await flush({ remote: 'flushed', mutable_only: true })).status).toBe(200)
      expect([await isKept('flushed', 'live/c.bin'), await isKept('flushed', 'c.bin')]).toEqual([false, true])
    })

    it('flushes a whole repository, and no other', async () => {
      await prime('flushed', 'd.bin')
      await prime('listed', 'd.bin')
      expect((await flush({ remote: 'flushed' })).status).toBe(200)
      expect([await isKept('flushed', 'd.bin'), await isKept('listed', 'd.bin')]).toEqual([false, true])
    })

    it('forgets what was missing, too', async () => {
      const { origin, get } = world.repo('flushed')
      expect((await get('late.bin')).status).toBe(404)
      origin.set('/late.bin', { body: 'late' })
      expect((await get('late.bin')).status).toBe(404)
      await flush({ remote: 'flushed', paths: ['late.bin'] })
      expect((await get('late.bin')).text).toBe('late')
    })

    it('never flushes uploads', async () => {
      await world.repo('store').put('kept.bin', 'kept')
      await flush({ remote: 'store' })
      await flush({})
      expect((await world.repo('store').get('kept.bin')).text).toBe('kept')
    })

    it('refuses a flush that it does not understand', async () => {
      await prime('flushed', 'e.bin')
      expect([400, 404, 422]).toContain((await flush({ remote: 'no-such-repo' })).status)
      expect([400, 422]).toContain((await flush({ remote: 'flushed', pattern: '(' })).status)
      expect([400, 422]).toContain((await flush({ remotes: 'flushed' })).status)
      expect(await isKept('flushed', 'e.bin')).toBe(true)
    })

    it('needs the admin token to flush', async () => {
      await prime('flushed', 'f.bin')
      const answer = await world.ask('/cache/flush', { method: 'PUT', body: '{"remote":"flushed"}' })
      expect([answer.status, await isKept('flushed', 'f.bin')]).toEqual([401, true])
    })

    it('lists what is cached, a page at a time', async () => {
      await prime('listed', ...['l/1', 'l/2', 'l/3', 'l/4', 'l/5'])
      for (const route of ['/api/v1/artifacts/listed', '/artifacts/listed']) {
        const found: string[] = []
        let cursor: string | null = null
        let pages = 0
        do {
          const more: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
          const page = pageOf(await world.manage('GET', `${route}?limit=2${more}`))
          expect(page.paths.length).toBeLessThanOrEqual(2)
          found.push(...page.paths)
          cursor = page.cursor
        } while (cursor !== null && ++pages < 20)
        expect(found.filter(path => path.startsWith('l/')).toSorted()).toEqual([
          'l/1',
          'l/2',
          'l/3',
          'l/4',
          'l/5',
        ])
        expect(new Set(found).size).toBe(found.length)
      }
    })

    it('lists nothing of a repository it does not have', async () => {
      expect((await world.manage('GET', '/api/v1/artifacts/no-such-repo')).status).toBe(404)
    })

    it('fetches a batch, with a result for each path', async () => {
      const { origin } = world.repo('batched')
      origin.set('/b/1.bin', { body: 'one' })
      origin.set('/b/2.bin', { body: 'two' })
      const paths = ['b/1.bin', 'b/2.bin', 'b/missing.bin']
      const answer = await world.manage('POST', '/api/v1/artifacts/batched', { remote: 'batched', paths })
      expect([200, 207]).toContain(answer.status)
      const text = JSON.stringify(parseJson(answer))
      for (const path of paths) expect(text).toContain(path)
      await eventually(async () => {
        expect(sourceOf(await world.repo('batched').get('b/1.bin'))).toBe('cache')
        expect(sourceOf(await world.repo('batched').get('b/2.bin'))).toBe('cache')
      })
      expect([origin.gets('/b/1.bin'), origin.gets('/b/2.bin')]).toEqual([1, 1])
    })

    it('fetches a batch under the early address', async () => {
      world.repo('batched').origin.set('/early.bin', { body: 'early' })
      const answer = await world.manage('POST', '/cache-artifact', {
        remote: 'batched',
        paths: ['early.bin'],
      })
      expect([200, 207]).toContain(answer.status)
      await eventually(async () =>
        expect(sourceOf(await world.repo('batched').get('early.bin'))).toBe('cache'),
      )
    })

    it('fetches again what it knows by pattern', async () => {
      await prime('batched', 'known/1.bin', 'known/2.zip')
      const body = { remote: 'batched', pattern: '^known/.*\\.bin$' }
      const answer = await world.manage('POST', '/api/v1/artifacts/batched', body)
      expect([200, 207]).toContain(answer.status)
      const text = JSON.stringify(parseJson(answer))
      expect(text).toContain('known/1.bin')
      expect(text).not.toContain('known/2.zip')
    })

    it('does not fetch in a batch what the repository refuses', async () => {
      world.repo('guarded').origin.set('/private.bin', { body: 'private' })
      const paths = ['private.bin', '../climb.bin']
      const answer = await world.manage('POST', '/api/v1/artifacts/guarded', { remote: 'guarded', paths })
      expect([200, 207]).toContain(answer.status)
      expect(JSON.stringify(parseJson(answer))).toContain('private.bin')
      expect(world.repo('guarded').origin.requests).toEqual([])
    })

    it('refuses a batch without candidates', async () => {
      const answer = await world.manage('POST', '/api/v1/artifacts/guarded', { remote: 'guarded' })
      expect(answer.status).toBe(422)
    })

    it('needs the admin token for a batch', async () => {
      const body = JSON.stringify({ remote: 'batched', paths: ['x'] })
      for (const path of ['/api/v1/artifacts/batched', '/cache-artifact']) {
        expect((await world.ask(path, { method: 'POST', body })).status).toBe(401)
      }
    })
  })
}

interface Page {
  readonly paths: readonly string[]
  readonly cursor: string | null
}

/** A page of a listing: its one array, of paths or of objects with one. */
export function pageOf(answer: RawAnswer): Page {
  expect(answer.status, answer.text).toBe(200)
  const page = parseJson(answer)
  const items = Object.values(page).find(Array.isArray) as unknown[] | undefined
  expect(items, answer.text).toBeDefined()
  const paths = (items ?? []).map(
    item => (typeof item === 'string' ? item : (item as { path: string }).path), // one of the two, by the line above
  )
  const cursor = page.cursor ?? page.next_cursor ?? page.next ?? null
  return { paths, cursor: cursor === null ? null : String(cursor) }
}
