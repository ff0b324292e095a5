import { describe, expect, it } from 'vitest'
import { createAuth } from '../../src/http/auth.ts'
import { ADMIN, ADMIN_TOKEN, createEngine } from '../engine.ts'

const LOCAL = { remotes: { r: {}, l: { type: 'local' } } }
const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`

describe('the admin token', () => {
  it.each([
    [`Bearer ${ADMIN_TOKEN}`, 201],
    [`bearer   ${ADMIN_TOKEN} `, 201],
    [basic(`anyone:${ADMIN_TOKEN}`), 201],
    [basic(`:${ADMIN_TOKEN}`), 201],
    [null, 401],
    ['', 401],
    ['Bearer', 401],
    ['Bearer wrong', 401],
    [`Bearer ${ADMIN_TOKEN}x`, 401],
    [`Bearer ${ADMIN_TOKEN.slice(0, -1)}`, 401],
    [`Bearer ${ADMIN_TOKEN} x`, 401],
    [`Bearer ${ADMIN_TOKEN}${ADMIN_TOKEN}`, 401],
    [basic(ADMIN_TOKEN), 401],
    [basic(`${ADMIN_TOKEN}:`), 401],
    [basic(`a:b:${ADMIN_TOKEN}`), 401],
    ['Basic ***', 401],
    [`Digest ${ADMIN_TOKEN}`, 401],
    [ADMIN_TOKEN, 401],
  ])('sent as %j', async (authorization, status) => {
    const engine = await createEngine({ settings: LOCAL })
    const headers: Record<string, string> = authorization === null ? {} : { authorization }
    const answer = await engine.open('/api/l/x', { method: 'PUT', body: 'x', headers })
    expect(answer.status).toBe(status)
    if (status === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=/)
    expect((await engine.get('/api/l/x')).status).toBe(status === 201 ? 200 : 404)
  })

  it('may hold colons and letters of any script', () => {
    const auth = createAuth({ adminToken: 'a:é:日', anonymousRead: true })
    const request = (authorization: string) => new Request('http://h/', { headers: { authorization } })
    expect(() => auth.requireAdmin(request(basic('user:a:é:日')))).not.toThrow()
    expect(() => auth.requireAdmin(request(basic('user:a:é')))).toThrow('not the admin token')
  })

  it('is shown in no refusal and no log', async () => {
    const engine = await createEngine({ settings: LOCAL })
    const answer = await engine.put('/api/l/x', 'x', { authorization: 'Bearer wrong-guess' })
    expect([answer.body, ...engine.logged].join()).not.toMatch(/wrong-guess|test-admin-token/)
  })

  it('that is not set lets nobody write', async () => {
    const engine = await createEngine({ settings: LOCAL, options: { adminToken: null } })
    for (const authorization of ['Bearer null', 'Bearer undefined', basic('a:'), `Bearer ${ADMIN_TOKEN}`]) {
      const answer = await engine.put('/api/l/x', 'x', { authorization })
      expect([answer.status, answer.body]).toEqual([403, expect.stringContaining('no ADMIN_TOKEN is set')])
    }
  })

  it('that is empty lets nobody write either', async () => {
    const engine = await createEngine({ settings: LOCAL, options: { adminToken: '' } })
    expect((await engine.put('/api/l/x', 'x', { authorization: basic('a:') })).status).toBeGreaterThan(400)
  })
})

describe('reading that is closed', () => {
  const closed = { settings: LOCAL, options: { anonymousRead: false } }

  it.each([
    '/api/v1/remote/r/a',
    '/api/r/a',
    '/api/v1/virtual/v/a',
    '/api/none/a',
    '/api/v1/remote/l/a',
    '/',
    '/config',
    '/metrics',
    '/ready',
    '/api/v1/artifacts/r',
    '/artifacts/r',
    '/api/v2/remotes',
    '/api/v2/remotes/r',
    '/api/v2/remotes/r/objects',
    '/api/v2/virtuals',
    '/api/v2/stats',
    '/api/v2/health',
    '/api/v2/events',
  ])('%s is 401 without the token', async path => {
    const engine = await createEngine(closed)
    for (const method of ['GET', 'HEAD']) {
      const answer = await engine.open(path, { method })
      expect([method, answer.status]).toEqual([method, path === '/ready' ? answer.status : 401])
      if (path === '/ready') expect(await answer.text()).not.toContain('origin.example')
    }
    expect(engine.origin.asked).toEqual([])
  })

  it('holds for what is hot', async () => {
    const engine = await createEngine(closed)
    engine.origin.files.set('a', { body: 'abc' })
    for (let i = 0; i < 3; i++) expect((await engine.get('/api/r/a', ADMIN)).body).toBe('abc')
    expect((await engine.get('/api/r/a')).status).toBe(401)
    expect((await engine.get('/api/r/a', { authorization: 'Bearer wrong' })).status).toBe(401)
    expect(engine.answersAtOnce('/api/r/a')).toBe(false)
  })

  it('leaves the sign of life open', async () => {
    const engine = await createEngine(closed)
    expect((await engine.get('/health')).status).toBe(200)
  })
})
