// API v2: repositories, their objects, figures, and what is refused, in problem+json.

import { describe, expect } from 'vitest'
import { pageOf } from './catalog-routes.ts'
import { expectProblem, parseJson, type Suite, sourceOf, testsOf, useWorld } from './suite.ts'

export function describeManagement(suite: Suite): void {
  const it = testsOf(suite)
  describe('management', () => {
    const world = useWorld(suite, { filed: { description: 'from the file' }, target: {} })
    const remotes = '/api/v2/remotes'
    const body = (name: string, more: Record<string, unknown> = {}) => ({
      name,
      base_url: world.repo('target').origin.url,
      package_type: 'generic',
      ...more,
    })
    const create = (name: string, more: Record<string, unknown> = {}) =>
      world.manage('POST', remotes, body(name, more))

    it('creates a repository that serves at once', async () => {
      world.repo('target').origin.set('/made.bin', { body: 'made' })
      expect((await create('made')).status).toBe(201)
      expect((await world.repo('made').get('made.bin')).text).toBe('made')
      expect((await world.manage('GET', remotes)).text).toContain('made')
      const got = parseJson(await world.manage('GET', `${remotes}/made`))
      expect(got).toMatchObject({ name: 'made', base_url: world.repo('target').origin.url })
    })

    it('changes a repository', async () => {
      await create('changing')
      world.repo('target').origin.set('/x.bin', { body: 'x' })
      expect((await world.repo('changing').get('x.bin')).status).toBe(200)
      const changed = await world.manage(
        'PUT',
        `${remotes}/changing`,
        body('changing', { blocklist: ['^x'] }),
      )
      expect(changed.status).toBe(200)
      expect((await world.repo('changing').get('x.bin')).status).toBe(403)
    })

    it('deletes a repository', async () => {
      await create('brief')
      expect([200, 204]).toContain((await world.manage('DELETE', `${remotes}/brief`)).status)
      expect((await world.repo('brief').get('a.bin')).status).toBe(404)
      expectProblem(await world.manage('GET', `${remotes}/brief`), 404)
      expectProblem(await world.manage('DELETE', `${remotes}/brief`), 404)
    })

    it('takes patterns of the API in the newer meaning', async () => {
      await create('meaning', { immutable_patterns: ['^never-matching$'] })
      world.repo('target').origin.set('/free.bin', { body: 'free' })
      expect((await world.repo('meaning').get('free.bin')).text).toBe('free')
    })

    it('leaves entries of the file alone', async () => {
      expectProblem(await world.manage('PUT', `${remotes}/filed`, body('filed')), 409)
      expectProblem(await world.manage('DELETE', `${remotes}/filed`), 409)
      expectProblem(await create('filed'), 409)
      expect(parseJson(await world.manage('GET', `${remotes}/filed`))).toMatchObject({
        description: 'from the file',
      })
    })

    it('does not create a repository twice', async () => {
      await create('twice')
      expectProblem(await create('twice'), 409)
    })

    it('refuses keys and values that it does not know', async () => {
      const typo = await create('typo', { mutable_tll: 5 })
      expectProblem(typo, 422)
      expect(typo.text).toContain('mutable_ttl')
      for (const wrong of [
        { base_url: 'ftp://x' },
        { mutable_ttl: -1 },
        { patterns: ['('] },
        { package_type: 'x' },
      ]) {
        expectProblem(await create('wrong', wrong), 422)
      }
      expectProblem(await world.manage('GET', `${remotes}/typo`), 404)
    })

    it('refuses names that are reserved or no names', async () => {
      for (const name of ['v1', 'v2', 'token', 'artifacts', 'remote', 'virtual', 'a/b', '../x', '', 'a b']) {
        const { status } = await create(name)
        expect([name, [400, 409, 422].includes(status)]).toEqual([name, true])
      }
    })

    it('refuses a body that is no JSON', async () => {
      const headers = {
        authorization: `Bearer ${world.server.adminToken}`,
        'content-type': 'application/json',
      }
      for (const broken of ['{', '[]', '"x"', 'null']) {
        const answer = await world.ask(remotes, { method: 'POST', body: broken, headers })
        expect([broken, [400, 422].includes(answer.status)]).toEqual([broken, true])
        expect(answer.headers.get('content-type')).toMatch(/problem\+json/)
      }
    })

    it('never shows the password of a repository', async () => {
      await create('secretive', {
        username: 'u',
        password: 'shown-to-nobody',
        headers: { 'X-Key': 'nor-this' },
      })
      for (const path of [remotes, `${remotes}/secretive`, '/config']) {
        const { status, text } = await world.manage('GET', path)
        expect([path, status]).toEqual([path, 200])
        expect(text).not.toContain('shown-to-nobody')
        expect(text).not.toContain('nor-this')
      }
    })

    it('needs the admin token', async () => {
      const asks = [
        ['POST', remotes, JSON.stringify(body('intruder'))],
        ['PUT', `${remotes}/filed`, JSON.stringify(body('filed'))],
        ['DELETE', `${remotes}/filed`, undefined],
        ['DELETE', `${remotes}/filed/objects`, undefined],
        ['POST', '/api/v2/probe', '{"remote":"filed","path":"a"}'],
      ] as const
      for (const [method, path, text] of asks) {
        const answer = await world.ask(path, { method, body: text })
        expectProblem(answer, 401)
        expect(answer.headers.get('www-authenticate')).not.toBeNull()
      }
    })

    it('manages virtual repositories', async () => {
      const virtuals = '/api/v2/virtuals'
      await create('member')
      world.repo('target').origin.set('/v.bin', { body: 'through' })
      const created = await world.manage('POST', virtuals, {
        name: 'gathered',
        package_type: 'generic',
        members: ['member'],
      })
      expect(created.status, created.text).toBe(201)
      expect((await world.manage('GET', virtuals)).text).toContain('gathered')
      expect((await world.ask('/api/v1/virtual/gathered/v.bin')).text).toBe('through')
      expect([200, 204]).toContain((await world.manage('DELETE', `${virtuals}/gathered`)).status)
      expectProblem(await world.manage('GET', `${virtuals}/gathered`), 404)
    })

    it('browses and evicts the objects of a repository', async () => {
      const { origin, get, head } = world.repo('filed')
      for (const path of ['o/1.bin', 'o/2.bin']) {
        origin.set(`/${path}`, { body: path })
        await get(path)
      }
      const objects = `${remotes}/filed/objects`
      expect(pageOf(await world.manage('GET', objects)).paths).toEqual(
        expect.arrayContaining(['o/1.bin', 'o/2.bin']),
      )
      expect([200, 204]).toContain((await world.manage('DELETE', `${objects}?path=o/1.bin`)).status)
      expect([sourceOf(await head('o/1.bin')), sourceOf(await head('o/2.bin'))]).not.toContain(null)
      expect(pageOf(await world.manage('GET', objects)).paths).not.toContain('o/1.bin')
      expect(pageOf(await world.manage('GET', objects)).paths).toContain('o/2.bin')
      expectProblem(await world.manage('GET', `${remotes}/no-such/objects`), 404)
    })

    it('gives figures and the health of each part', async () => {
      for (const path of ['/api/v2/stats', '/api/v2/health']) {
        const answer = await world.manage('GET', path)
        expect([path, answer.status]).toEqual([path, 200])
        expect(Object.keys(parseJson(answer)).length).toBeGreaterThan(1)
      }
    })

    it('probes an origin without keeping anything', async () => {
      const { origin, head } = world.repo('filed')
      origin.set('/probed.bin', { body: 'probed' })
      const answer = await world.manage('POST', '/api/v2/probe', { remote: 'filed', path: 'probed.bin' })
      expect(answer.status).toBe(200)
      expect(JSON.stringify(parseJson(answer))).toContain('200')
      expect(origin.seen('/probed.bin').length).toBeGreaterThan(0)
      expect(sourceOf(await head('probed.bin'))).not.toBe('cache')
    })

    it('streams events', async () => {
      const answer = await fetch(`${world.server.url}/api/v2/events`, {
        headers: { authorization: `Bearer ${world.server.adminToken}` },
      })
      expect(answer.status).toBe(200)
      expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/)
      await answer.body?.cancel()
    })

    it('answers 404 to management addresses it does not have', async () => {
      expectProblem(await world.manage('GET', '/api/v2/nothing'), 404)
      expectProblem(await world.manage('GET', `${remotes}/no-such`), 404)
    })

    it('keeps repositories made by the API over a restart', async () => {
      await create('lasting')
      await world.server.restart()
      world.repo('target').origin.set('/lasting.bin', { body: 'lasting' })
      expect((await world.repo('lasting').get('lasting.bin')).text).toBe('lasting')
      await world.server.restart()
      const hit = await world.repo('lasting').get('lasting.bin')
      expect([hit.text, sourceOf(hit)]).toEqual(['lasting', 'cache'])
    })
  })
}
