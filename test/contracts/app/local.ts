// Local repositories: uploads, their checks, and what the outside may do with them.

import { createConnection } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import { pattern, sha256Of } from '../../origin.ts'
import { eventually, type Suite, testsOf, useWorld } from './suite.ts'

export function describeLocal(suite: Suite): void {
  const it = testsOf(suite)
  describe('local repositories', () => {
    const world = useWorld(suite, {
      store: { type: 'local', package: 'generic' },
      again: { type: 'local', package: 'generic', allow_redeploy: true },
      capped: { type: 'local', package: 'generic', max_upload: 1000 },
      mirror: { package: 'generic' },
    })
    const store = () => world.repo('store')
    const basic = (token: string) => `Basic ${Buffer.from(`anyone:${token}`).toString('base64')}`

    it('takes an upload and serves it', async () => {
      const body = pattern(100_000, 30)
      expect((await store().put('dir/a.bin', body.slice())).status).toBe(201)
      const got = await store().get('dir/a.bin')
      expect([got.status, sha256Of(got.body)]).toEqual([200, body.sha256])
      expect(got.headers.get('content-length')).toBe('100000')
      expect(got.headers.get('etag')).toContain(body.sha256.slice(0, 32))
      expect(got.headers.get('repr-digest')).toMatch(/^sha-256=:/)
      const head = await store().head('dir/a.bin')
      expect([head.status, head.headers.get('content-length')]).toEqual([200, '100000'])
    })

    it('serves parts of an upload, and 304 to who has it', async () => {
      await store().put('parts.bin', '0123456789')
      const part = await store().get('parts.bin', { range: 'bytes=2-4' })
      expect([part.status, part.text]).toEqual([206, '234'])
      const etag = (await store().get('parts.bin')).headers.get('etag') ?? ''
      expect((await store().get('parts.bin', { 'if-none-match': etag })).status).toBe(304)
    })

    it('takes the admin token as a password too', async () => {
      const headers = { authorization: basic(world.server.adminToken) }
      expect((await store().put('basic.bin', 'basic', headers)).status).toBe(201)
    })

    it('refuses an upload without the token, or with a wrong one', async () => {
      for (const authorization of [undefined, 'Bearer wrong', basic('wrong'), 'Bearer', 'Nonsense x']) {
        const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
        const answer = await world.ask(`${store().base}/denied.bin`, { method: 'PUT', body: 'x', headers })
        expect([authorization, answer.status]).toEqual([authorization, 401])
        expect(answer.headers.get('www-authenticate')).toMatch(/Basic|Bearer/)
      }
      expect((await store().get('denied.bin')).status).toBe(404)
    })

    it('refuses to delete without the token', async () => {
      await store().put('undeletable.bin', 'x')
      const answer = await world.ask(`${store().base}/undeletable.bin`, { method: 'DELETE' })
      expect([answer.status, (await store().get('undeletable.bin')).status]).toEqual([401, 200])
    })

    it('deletes', async () => {
      await store().put('brief.bin', 'x')
      expect((await store().get('brief.bin')).status).toBe(200)
      expect([200, 204]).toContain((await store().delete('brief.bin')).status)
      expect((await store().get('brief.bin')).status).toBe(404)
      expect((await store().delete('brief.bin')).status).toBe(404)
    })

    it('takes an upload again after it was deleted', async () => {
      await store().put('phoenix.bin', 'one')
      await store().delete('phoenix.bin')
      expect((await store().put('phoenix.bin', 'two')).status).toBe(201)
      expect((await store().get('phoenix.bin')).text).toBe('two')
    })

    it('does not let an upload replace another', async () => {
      await store().put('final.bin', 'first')
      const second = await store().put('final.bin', 'second')
      expect(second.status).toBe(409)
      expect(second.text).toContain('final.bin')
      expect((await store().get('final.bin')).text).toBe('first')
    })

    it('lets one of many uploads at once win', async () => {
      const bodies = Array.from({ length: 6 }, (_, i) => `contender ${i}`)
      const answers = await Promise.all(bodies.map(body => store().put('contended.bin', body)))
      expect(answers.map(answer => answer.status).toSorted()).toEqual([201, 409, 409, 409, 409, 409])
      const winner = bodies[answers.findIndex(answer => answer.status === 201)]
      expect((await store().get('contended.bin')).text).toBe(winner)
    })

    it('lets an upload replace another where allow_redeploy says so', async () => {
      await world.repo('again').put('live.bin', 'first')
      expect((await world.repo('again').get('live.bin')).text).toBe('first')
      expect([200, 201, 204]).toContain((await world.repo('again').put('live.bin', 'second')).status)
      expect((await world.repo('again').get('live.bin')).text).toBe('second')
    })

    it('takes an upload of unknown length', async () => {
      const body = pattern(300_000, 31)
      expect((await store().put('chunked.bin', body.chunks())).status).toBe(201)
      expect(sha256Of((await store().get('chunked.bin')).body)).toBe(body.sha256)
    })

    it('takes an empty upload', async () => {
      expect((await store().put('empty.bin', '')).status).toBe(201)
      expect((await store().get('empty.bin')).headers.get('content-length')).toBe('0')
    })

    it('takes an upload with the right digest', async () => {
      for (const headers of digestHeaders('checked')) {
        const answer = await store().put(`right-${Object.keys(headers)}.bin`, 'checked', headers)
        expect([headers, answer.status]).toEqual([headers, 201])
      }
    })

    it('refuses an upload whose digest is another, and keeps nothing', async () => {
      for (const headers of digestHeaders('other')) {
        const path = `wrong-${Object.keys(headers)}.bin`
        const answer = await store().put(path, 'checked', headers)
        expect([400, 409, 422]).toContain(answer.status)
        expect((await store().get(path)).status).toBe(404)
      }
    })

    it('refuses a checksum that is none', async () => {
      const answer = await store().put('nonsense.bin', 'x', { 'x-checksum-sha256': 'abc' })
      expect([400, 422]).toContain(answer.status)
      expect((await store().get('nonsense.bin')).status).toBe(404)
    })

    it('keeps nothing of an upload that breaks off', async () => {
      const socket = createConnection({ host: '127.0.0.1', port: world.server.port })
      socket.on('error', () => {})
      const auth = `authorization: Bearer ${world.server.adminToken}\r\n`
      const head = `PUT ${store().base}/half.bin HTTP/1.1\r\nhost: x\r\n${auth}content-length: 100000\r\n\r\n`
      socket.write(head)
      socket.write(pattern(50_000).slice())
      await sleep(200)
      socket.destroy()
      await sleep(200)
      expect((await store().get('half.bin')).status).toBe(404)
      await eventually(async () => expect((await store().put('half.bin', 'whole')).status).toBe(201))
    })

    it('refuses an upload beyond max_upload, and keeps nothing', async () => {
      const capped = world.repo('capped')
      expect((await capped.put('fits.bin', 'x'.repeat(1000))).status).toBe(201)
      expect((await capped.put('told.bin', 'x'.repeat(1001))).status).toBe(413)
      expect((await capped.put('untold.bin', pattern(2000).chunks())).status).toBe(413)
      for (const path of ['told.bin', 'untold.bin']) expect((await capped.get(path)).status).toBe(404)
    })

    it('takes no upload for a remote repository', async () => {
      const answer = await world.repo('mirror').put('a.bin', 'x')
      expect(answer.status).toBe(405)
      expect(answer.headers.get('allow')).toMatch(/GET/)
    })

    it('refuses an upload to a path that climbs', async () => {
      expect((await store().put('..%2fa.bin', 'x')).status).toBe(400)
      expect((await store().put('a%00b', 'x')).status).toBe(400)
    })

    it('answers 404 for what was never uploaded', async () => {
      const answer = await store().get('never.bin')
      expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'text/plain; charset=utf-8'])
    })

    it('streams a very large upload', async () => {
      // Workers take 100 MB a request at most.
      const body = pattern(suite.runtime === 'workers' ? 20_000_000 : 200_000_000, 32)
      const headers = { 'content-length': String(body.size), 'x-checksum-sha256': body.sha256 }
      expect((await store().put('huge.bin', body.chunks(), headers)).status).toBe(201)
      const got = await store().get('huge.bin')
      expect(got.headers.get('content-length')).toBe(String(body.size))
      expect(sha256Of(got.body)).toBe(body.sha256)
    }, 120_000)
  })
}

/** Each way to say what a body hashes to. */
function digestHeaders(body: string): Record<string, string>[] {
  const sha256 = sha256Of(body)
  const base64 = Buffer.from(sha256, 'hex').toString('base64')
  return [
    { 'x-checksum-sha256': sha256 },
    { digest: `sha-256=${base64}` },
    { 'repr-digest': `sha-256=:${base64}:` },
  ]
}
