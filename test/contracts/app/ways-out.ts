// Where requests to origins may lead: below the base URL, along redirects, and with whose credentials.

import { describe, expect } from 'vitest'
import { type Suite, sourceOf, testsOf, useWorld } from './suite.ts'

const BASIC = `Basic ${Buffer.from('robot:open-sesame').toString('base64')}`

export function describeWaysOut(suite: Suite): void {
  const it = testsOf(suite)
  describe('ways out', () => {
    const login = { username: 'robot', password: 'open-sesame', headers: { 'X-Origin-Key': 'key-of-origin' } }
    const world = useWorld(suite, {
      below: { base_path: '/some/prefix' },
      private: login,
      other: {},
      narrow: { ...login, allowed_hosts: 'same' },
      looping: {},
      endless: {},
    })

    it('asks below the base URL', async () => {
      const { origin, get } = world.repo('below')
      origin.set('/some/prefix/a/b.bin', { body: 'below' })
      expect((await get('a/b.bin')).text).toBe('below')
    })

    it('sends the credentials and headers of a repository to its origin', async () => {
      const { origin, get } = world.repo('private')
      origin.set('/a.bin', { body: 'a' })
      await get('a.bin')
      const [request] = origin.seen('/a.bin')
      expect([request?.headers.authorization, request?.headers['x-origin-key']]).toEqual([
        BASIC,
        'key-of-origin',
      ])
    })

    it('follows a redirect to another host without them', async () => {
      const { origin, get } = world.repo('private')
      const other = world.repo('other').origin
      origin.set('/away.bin', { redirect: `${other.url}/elsewhere.bin?sig=1` })
      other.set('/elsewhere.bin?sig=1', { body: 'elsewhere' })
      expect((await get('away.bin')).text).toBe('elsewhere')
      const [request] = other.seen('/elsewhere.bin?sig=1')
      expect(request?.headers.authorization).toBeUndefined()
      expect(request?.headers['x-origin-key']).toBeUndefined()
      expect(sourceOf(await get('away.bin'))).toBe('cache')
    })

    it('follows a redirect within the host with them', async () => {
      const { origin, get } = world.repo('private')
      for (const status of [301, 302, 303, 307, 308]) {
        origin.set(`/near-${status}.bin`, { redirect: '/here.bin', status })
        origin.set('/here.bin', { body: 'here' })
        expect((await get(`near-${status}.bin`)).text).toBe('here')
        expect(origin.seen('/here.bin').at(-1)?.headers.authorization).toBe(BASIC)
      }
    })

    it('does not follow a redirect to a host that is not allowed', async () => {
      const { origin, get } = world.repo('narrow')
      const other = world.repo('other').origin
      other.set('/trap.bin', { body: 'trap' })
      origin.set('/away.bin', { redirect: `${other.url}/trap.bin` })
      expect((await get('away.bin')).status).toBe(502)
      expect(other.seen('/trap.bin')).toEqual([])
    })

    it('does not follow a redirect to anything but HTTP', async () => {
      const { origin, get } = world.repo('endless')
      origin.set('/file.bin', { redirect: 'file:///etc/passwd' })
      const answer = await get('file.bin')
      expect(answer.status).toBe(502)
      expect(answer.text).not.toContain('root:')
    })

    it('gives up on redirects that go in circles', async () => {
      const { origin, get } = world.repo('looping')
      origin.set('/a.bin', { redirect: '/b.bin' })
      origin.set('/b.bin', { redirect: '/a.bin' })
      expect((await get('a.bin')).status).toBe(502)
      expect(origin.requests.length).toBeLessThan(80)
    })

    it('names no credential in an answer or in the log', async () => {
      const { origin, get } = world.repo('private')
      origin.set('/reset.bin', { reset: true })
      const { text } = await get('reset.bin')
      for (const secret of ['open-sesame', 'key-of-origin', BASIC]) {
        expect(text).not.toContain(secret)
        expect(world.server.logs()).not.toContain(secret)
      }
    })
  })
}
