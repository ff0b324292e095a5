// The pages for operators: what is there, how it is doing, what it counted. None of them tells a secret.

import { describe, expect } from 'vitest'
import { eventually, metricOf, parseJson, type Suite, testsOf, useWorld } from './suite.ts'

const SECRETS = ['hunter2-password', 'value-of-header'] as const

export function describePages(suite: Suite): void {
  const it = testsOf(suite)
  describe('pages for operators', () => {
    const world = useWorld(
      suite,
      {
        files: { package: 'generic', description: 'Files of the house' },
        private: { username: 'robot', password: SECRETS[0], headers: { 'X-Key': SECRETS[1] } },
        store: { type: 'local', package: 'generic' },
      },
      { virtuals: { all: { package: 'generic', members: ['files', 'store'] } } },
    )

    it('lists the repositories by name at /', async () => {
      const { remotes } = parseJson(await world.ask('/')) as { remotes: Record<string, { package?: string }> }
      expect(Object.keys(remotes)).toEqual(expect.arrayContaining(['files', 'private', 'store']))
      expect(JSON.stringify(remotes.files)).toContain('generic')
    })

    it('answers curl and scripts with JSON at /', async () => {
      for (const accept of ['*/*', 'application/json', 'application/json, text/html;q=0.5']) {
        expect((await world.ask('/', { headers: { accept } })).headers.get('content-type')).toMatch(/json/)
      }
    })

    it('answers browsers with a page at /', async () => {
      const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
      const answer = await world.ask('/', { headers: { accept } })
      expect(answer.headers.get('content-type')).toMatch(/^text\/html/)
      expect(answer.text).toContain('files')
      expect(answer.headers.get('vary')).toMatch(/accept/i)
    })

    it('is healthy', async () => {
      const answer = await world.ask('/health')
      expect(answer.status).toBe(200)
      parseJson(answer)
      expect((await world.ask('/health', { method: 'HEAD' })).status).toBe(200)
    })

    it('is ready, and names what it stands on', async () => {
      const answer = await world.ask('/ready')
      expect(answer.status).toBe(200)
      const parts = suite.runtime === 'workers' ? /R2[\s\S]*D1|D1[\s\S]*R2/i : /SQLite/i
      expect(JSON.stringify(parseJson(answer))).toMatch(parts)
    })

    it('shows its configuration without secrets', async () => {
      const answer = await world.ask('/config', {
        headers: { authorization: `Bearer ${world.server.adminToken}` },
      })
      expect(answer.status).toBe(200)
      const text = JSON.stringify(parseJson(answer))
      expect(text).toContain(world.repo('private').origin.url)
      for (const secret of [...SECRETS, world.server.adminToken]) expect(text).not.toContain(secret)
    })

    it('tells no secret on any page', async () => {
      for (const path of [
        '/',
        '/ready',
        '/health',
        '/metrics',
        '/api/v2/remotes',
        '/api/v2/remotes/private',
      ]) {
        const { status, text } = await world.manage('GET', path)
        expect([path, status]).toEqual([path, 200])
        for (const secret of [...SECRETS, world.server.adminToken]) expect(text).not.toContain(secret)
      }
    })

    it('counts requests by repository, format and outcome', async () => {
      const { origin, get } = world.repo('files')
      origin.set('/counted.bin', { body: 'counted' })
      await get('counted.bin')
      await get('counted.bin')
      await get('counted.bin')
      await get('nothing.bin')
      await eventually(async () => {
        const answer = await world.ask('/metrics')
        expect(answer.headers.get('content-type')).toMatch(/^text\/plain/)
        const count = (outcome: string) =>
          metricOf(answer.text, 'artifactapi_requests_total', { repo: 'files', format: 'generic', outcome })
        expect([count('hit'), count('miss'), count('negative')]).toEqual([2, 1, 1])
      })
    })

    it('describes each metric once', async () => {
      const { text } = await world.ask('/metrics')
      const types = text.split('\n').filter(line => line.startsWith('# TYPE '))
      expect(types.length).toBeGreaterThan(3)
      expect(new Set(types.map(line => line.split(' ')[2])).size).toBe(types.length)
      for (const line of text.split('\n').filter(line => line !== '' && !line.startsWith('#'))) {
        expect(line).toMatch(/^[a-z_]+(\{[^}]*\})? [-+.\dInfeEN]+$/)
      }
    })

    it('counts bytes from origins and to clients', async () => {
      const { origin, get } = world.repo('files')
      origin.set('/bytes.bin', { body: 'x'.repeat(5000) })
      await get('bytes.bin')
      const { text } = await world.ask('/metrics')
      for (const name of ['artifactapi_origin_bytes_total', 'artifactapi_client_bytes_total']) {
        expect(text).toMatch(new RegExp(`^${name}(\\{[^}]*\\})? [1-9]`, 'm'))
      }
    })

    it('logs a line a request, with what operators search for', async () => {
      const { origin, get } = world.repo('files')
      origin.set('/logged.bin', { body: 'logged' })
      await get('logged.bin')
      await get('logged.bin')
      await eventually(async () => {
        const lines = world.server
          .logs()
          .split('\n')
          .filter(line => line.includes('logged.bin'))
          .map(line => JSON.parse(line) as { msg: string })
        expect(lines.filter(line => line.msg.includes('Cache MISS'))).toHaveLength(1)
        expect(lines.filter(line => line.msg.includes('Cache HIT'))).toHaveLength(1)
      })
    })
  })
}
