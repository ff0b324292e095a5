import { describe, expect, it } from 'vitest'
import { createEngine, type Engine, settle } from '../engine.ts'
import { sha256Of } from '../pattern-body.ts'
import { type Script, unreachable } from '../scripted-origin.ts'

const DAY_MS = 86_400_000

describe('check_mutable_updates', () => {
  const entry = { mutable_patterns: ['\\.idx$'], check_mutable_updates: true, mutable_ttl: 60 }
  const old = { body: 'old', headers: { etag: '"v1"', 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' } }

  it.each([
    ['304', { status: 304 }],
    ['200 with the same tag', { headers: { etag: '"v1"' } }],
  ])('needs no download when a HEAD is answered %s', async (_, script) => {
    const engine = await expired(entry, 'a.idx', old)
    engine.origin.files.set('a.idx', script)
    const answer = await engine.get('/api/v1/remote/r/a.idx')
    expect([answer.status, answer.body, answer.headers.get('age')]).toEqual([200, 'old', '0'])
    expect(answer.headers.get('cache-status')).toBe('artifactapi; fwd=stale; fwd-status=304')
    expect(engine.origin.asked).toEqual(['GET a.idx', 'HEAD a.idx'])
    const { 'if-none-match': tag, 'if-modified-since': since } = engine.origin.seen[1]?.headers ?? {}
    expect([tag, since]).toEqual(['"v1"', 'Thu, 01 Jan 2026 00:00:00 GMT'])
    // Its time began anew.
    await engine.get('/api/v1/remote/r/a.idx')
    expect(engine.origin.asked.length).toBe(2)
  })

  it('tells unchanged from changed by date and size where there is no tag', async () => {
    const dated = { body: 'old', headers: { 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' } }
    const engine = await expired(entry, 'a.idx', dated)
    await engine.get('/api/v1/remote/r/a.idx')
    expect(engine.origin.asked).toEqual(['GET a.idx', 'HEAD a.idx'])
    await engine.clock.advance(60_000)
    engine.origin.files.set('a.idx', { body: 'longer', headers: dated.headers })
    expect((await engine.get('/api/v1/remote/r/a.idx')).body).toBe('longer')
  })

  it.each([
    ['another tag', { body: 'new', headers: { etag: '"v2"' } }],
    ['no tag', { body: 'new' }],
  ])('downloads anew when a HEAD tells %s', async (_, script) => {
    const engine = await expired(entry, 'a.idx', old)
    engine.origin.files.set('a.idx', script)
    expect((await engine.get('/api/v1/remote/r/a.idx')).body).toBe('new')
    expect(engine.origin.asked).toEqual(['GET a.idx', 'HEAD a.idx', 'GET a.idx'])
    expect(engine.origin.seen[2]?.headers['if-none-match']).toBeUndefined()
  })

  it('downloads anew when a HEAD is refused', async () => {
    const engine = await expired(entry, 'a.idx', old)
    engine.origin.files.set('a.idx', ({ method }) => (method === 'HEAD' ? { status: 405 } : { body: 'new' }))
    expect((await engine.get('/api/v1/remote/r/a.idx')).body).toBe('new')
  })

  it('asks with one conditional GET where the format made the path mutable', async () => {
    const engine = await expired(entry, 'list/', old)
    engine.origin.files.set('list/', { status: 304 })
    expect((await engine.get('/api/v1/remote/r/list/')).body).toBe('old')
    expect(engine.origin.asked).toEqual(['GET list/', 'GET list/'])
    expect(engine.origin.seen[1]?.headers['if-none-match']).toBe('"v1"')
  })
})

describe('an expired copy', () => {
  it.each([429, 500, 503, 599])('stands in for a %i that stale_on names', async status => {
    const engine = await expired({ stale_on: [429, '5xx'], mutable_ttl: 60 }, 'list/', { body: 'old' })
    engine.origin.files.set('list/', { status })
    const answer = await engine.get('/api/v1/remote/r/list/')
    expect([answer.status, answer.body]).toEqual([200, 'old'])
    expect(answer.headers.get('cache-status')).toContain('fwd=stale')
    await engine.get('/api/v1/remote/r/list/')
    expect(engine.origin.asked.length).toBe(2)
  })

  it('stands in for a HEAD that stale_on names, too', async () => {
    const engine = await expired({ stale_on: ['5xx'], mutable_ttl: 60 }, 'list/', { body: 'old' })
    engine.origin.files.set('list/', { status: 503 })
    const told = await engine.head('/api/v1/remote/r/list/')
    expect([told.status, told.headers.get('etag')]).toEqual([200, `"${sha256Of('old')}"`])
  })

  it.each([
    [403, 403],
    [429, 503],
    [500, 502],
    [503, 503],
    [504, 504],
  ])('does not mask a %i, and stays', async (said, told) => {
    const engine = await expired({ mutable_ttl: 60 }, 'list/', { body: 'old', headers: { etag: '"v1"' } })
    engine.origin.files.set('list/', { status: said, headers: { 'retry-after': '17' } })
    const answer = await engine.get('/api/v1/remote/r/list/')
    expect([answer.status, answer.body]).toEqual([told, expect.stringContaining(`answered ${said}`)])
    if (told > 403) expect(answer.headers.get('retry-after')).toBe('17')
    engine.origin.files.set('list/', { status: 304 })
    expect((await engine.get('/api/v1/remote/r/list/')).body).toBe('old')
  })

  it.each([404, 410])('is forgotten when the origin answers %i', async status => {
    const engine = await expired({ stale_on: ['5xx'], mutable_ttl: 60 }, 'list/', { body: 'old' })
    engine.origin.files.set('list/', { status })
    expect((await engine.get('/api/v1/remote/r/list/')).status).toBe(status)
    expect((await engine.app.repositories.catalog.usage()).repositories.get('r')).toEqual({
      bytes: 0,
      objects: 0,
    })
    await engine.clock.advance(30_000)
    engine.origin.files.set('list/', unreachable())
    expect((await engine.get('/api/v1/remote/r/list/')).status).toBe(502)
  })

  it('stays when the origin cannot be reached, and HEAD tells of it', async () => {
    const engine = await expired({ mutable_ttl: 60 }, 'list/', { body: 'old' })
    engine.origin.files.set('list/', unreachable())
    const told = await engine.head('/api/v1/remote/r/list/')
    expect([told.status, told.headers.get('etag')]).toEqual([200, `"${sha256Of('old')}"`])
    expect(told.headers.get('cache-status')).toContain('fwd=stale')
  })

  it('is confirmed by a HEAD of a client, without a download', async () => {
    const engine = await expired({ mutable_ttl: 60 }, 'list/', { body: 'old', headers: { etag: '"v1"' } })
    const told = await engine.head('/api/v1/remote/r/list/')
    expect([told.status, told.headers.get('content-length')]).toEqual([200, '3'])
    expect((await engine.get('/api/v1/remote/r/list/')).body).toBe('old')
    expect(engine.origin.asked).toEqual(['GET list/', 'HEAD list/'])
  })

  it('is not brought back by a HEAD that was on its way while it was replaced', async () => {
    const engine = await expired({ mutable_ttl: 60 }, 'list/', { body: 'old', headers: { etag: '"v1"' } })
    const catalog = engine.app.repositories.catalog
    const old = await catalog.find('r', 'list/')
    engine.origin.files.set('list/', { body: 'new' })
    await engine.get('/api/v1/remote/r/list/')
    if (old !== null) await catalog.refresh({ ...old, freshUntil: engine.clock.now() + 60_000 })
    expect((await engine.get('/api/v1/remote/r/list/')).body).toBe('new')
  })
})

describe('mutable_ttl 0', () => {
  it('asks the origin each time, and downloads only what changed', async () => {
    const engine = await createEngine({ settings: { remotes: { r: { mutable_ttl: 0 } } } })
    const conditional: Script = ({ headers }) =>
      headers['if-none-match'] === '"v1"' ? { status: 304 } : { body: 'old', headers: { etag: '"v1"' } }
    engine.origin.files.set('list/', conditional)
    for (let i = 0; i < 3; i++) expect((await engine.get('/api/v1/remote/r/list/')).body).toBe('old')
    expect(engine.origin.asked.length).toBe(3)
    expect(engine.origin.seen.map(({ headers }) => headers['if-none-match'])).toEqual([
      undefined,
      '"v1"',
      '"v1"',
    ])
    engine.origin.files.set('list/', { body: 'new', headers: { etag: '"v2"' } })
    expect((await engine.get('/api/v1/remote/r/list/')).body).toBe('new')
  })
})

describe('what the origin does not have', () => {
  it.each([404, 410])('is remembered for 30 seconds (%i)', async status => {
    const engine = await createEngine()
    engine.origin.files.set('x', { status })
    const first = await engine.get('/api/v1/remote/r/x')
    expect(first.headers.get('cache-status')).toBe(`artifactapi; fwd=miss; fwd-status=${status}`)
    await engine.clock.advance(29_999)
    const repeated = await engine.get('/api/v1/remote/r/x')
    expect([repeated.status, repeated.headers.get('cache-status')]).toEqual([
      status,
      `artifactapi; hit; detail="remembered ${status}"`,
    ])
    expect((await engine.head('/api/v1/remote/r/x')).status).toBe(status)
    expect(engine.origin.asked.length).toBe(1)
    await engine.clock.advance(1)
    engine.origin.files.set('x', { body: 'here' })
    expect((await engine.get('/api/v1/remote/r/x')).body).toBe('here')
  })

  it('is remembered as long as the repository says', async () => {
    const engine = await createEngine({ settings: { remotes: { r: { negative_ttl: 300 } } } })
    await engine.get('/api/v1/remote/r/x')
    await engine.clock.advance(299_999)
    await engine.get('/api/v1/remote/r/x')
    expect(engine.origin.asked.length).toBe(1)
  })

  it('is asked for each time with negative_ttl 0', async () => {
    const engine = await createEngine({ settings: { remotes: { r: { negative_ttl: 0 } } } })
    for (let i = 0; i < 3; i++) expect((await engine.get('/api/v1/remote/r/x')).status).toBe(404)
    expect(engine.origin.asked.length).toBe(3)
  })

  it('is remembered only when it is gone, not when the origin is in trouble', async () => {
    const engine = await createEngine()
    engine.origin.files.set('x', { status: 500 })
    for (let i = 0; i < 3; i++) expect((await engine.get('/api/v1/remote/r/x')).status).toBe(502)
    expect(engine.origin.asked.length).toBe(3)
  })
})

describe('the quarantine', () => {
  const entry = { quarantine_new: true, quarantine_days: 7 }

  it('holds back what is younger than its days, and asks once', async () => {
    const engine = await createEngine({ settings: { remotes: { r: entry } } })
    const publishedAt = engine.clock.now() - DAY_MS
    engine.origin.files.set('x', {
      body: 'the bytes',
      headers: { 'last-modified': new Date(publishedAt).toUTCString() },
    })
    for (let i = 0; i < 3; i++) {
      const answer = await engine.get('/api/v1/remote/r/x')
      expect([answer.status, answer.headers.get('x-artifactapi-rule')]).toEqual([404, 'quarantine'])
      expect(answer.body).not.toContain('the bytes')
    }
    expect((await engine.head('/api/v1/remote/r/x')).status).toBe(404)
    expect(engine.origin.asked.length).toBe(1)
    expect((await engine.services.blobs.list()).blobs).toEqual([])
    await engine.clock.advance(6 * DAY_MS - 1)
    expect((await engine.get('/api/v1/remote/r/x')).status).toBe(404)
    await engine.clock.advance(1)
    expect((await engine.get('/api/v1/remote/r/x')).body).toBe('the bytes')
  })

  it('holds back a HEAD of what it has never seen', async () => {
    const engine = await createEngine({ settings: { remotes: { r: entry } } })
    const headers = { 'last-modified': new Date(engine.clock.now()).toUTCString() }
    engine.origin.files.set('x', { body: 'the bytes', headers })
    expect((await engine.head('/api/v1/remote/r/x')).status).toBe(404)
  })

  it('holds back what was kept before it was switched on, also on the hot path', async () => {
    const engine = await createEngine()
    const headers = { 'last-modified': new Date(engine.clock.now()).toUTCString() }
    engine.origin.files.set('x', { body: 'the bytes', headers })
    for (let i = 0; i < 3; i++) await engine.get('/api/v1/remote/r/x')
    engine.configure({ remotes: { r: { ...entry, quarantine_status: 403 } } })
    expect((await engine.get('/api/v1/remote/r/x')).status).toBe(403)
    engine.configure({ remotes: { r: {} } })
    expect((await engine.get('/api/v1/remote/r/x')).body).toBe('the bytes')
  })

  it('lets pass what has no date, what is old, and what is mutable', async () => {
    const engine = await createEngine({ settings: { remotes: { r: entry } } })
    const date = (days: number) => ({
      'last-modified': new Date(engine.clock.now() - days * DAY_MS).toUTCString(),
    })
    engine.origin.files.set('dateless', { body: 'a' })
    engine.origin.files.set('old', { body: 'b', headers: date(7) })
    engine.origin.files.set('list/', { body: 'c', headers: date(0) })
    for (const [path, body] of [
      ['dateless', 'a'],
      ['old', 'b'],
      ['list/', 'c'],
    ]) {
      expect((await engine.get(`/api/v1/remote/r/${path}`)).body).toBe(body)
    }
  })
})

describe('the circuit breaker', () => {
  const get = (engine: Engine, path: string) => engine.get(`/api/v1/remote/r/${path}`)

  it('leaves an origin alone after five failures, and says for how long', async () => {
    const engine = await failing(5)
    await engine.clock.advance(1000)
    const refused = await get(engine, 'x')
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '29'])
    expect(engine.origin.asked.length).toBe(5)
    expect(engine.app.repositories.breaker.open()).toEqual(['origin.example'])
  })

  it('still asks after four', async () => {
    const engine = await failing(4)
    engine.origin.files.set('x', { body: 'here' })
    expect((await get(engine, 'x')).body).toBe('here')
  })

  it('counts failures in a row only', async () => {
    const engine = await failing(4)
    await get(engine, 'missing')
    for (let i = 0; i < 4; i++) await get(engine, `down-${i}`)
    engine.origin.files.set('x', { body: 'here' })
    expect((await get(engine, 'x')).body).toBe('here')
  })

  it('sends one to try after 30 seconds, and all when that went well', async () => {
    const engine = await failing(5)
    await engine.clock.advance(29_999)
    await get(engine, 'a')
    expect(engine.origin.asked.length).toBe(5)
    await engine.clock.advance(1)
    for (const path of ['a', 'b', 'c']) engine.origin.files.set(path, { body: path })
    const answers = await Promise.all(['a', 'b', 'c'].map(path => get(engine, path)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 503, 503])
    expect(engine.origin.asked.length).toBe(6)
    expect((await get(engine, 'b')).status).toBe(200)
    expect(engine.app.repositories.breaker.open()).toEqual([])
  })

  it('waits another 30 seconds when the try failed', async () => {
    const engine = await failing(5)
    await engine.clock.advance(30_000)
    expect((await get(engine, 'down-0')).status).toBe(502)
    expect((await get(engine, 'down-0')).status).toBe(503)
    await engine.clock.advance(29_999)
    expect((await get(engine, 'down-0')).status).toBe(503)
    await engine.clock.advance(1)
    expect((await get(engine, 'down-0')).status).toBe(502)
    expect(engine.origin.asked.length).toBe(7)
  })

  it('has copies served meanwhile', async () => {
    const engine = await createEngine({ settings: { remotes: { r: { mutable_ttl: 60 } } } })
    engine.origin.files.set('list/', { body: 'old' })
    await get(engine, 'list/')
    await engine.clock.advance(60_000)
    await fail(engine, 5)
    const stale = await get(engine, 'list/')
    expect([stale.status, stale.body]).toEqual([200, 'old'])
    expect(stale.headers.get('cache-status')).toContain('fwd=stale')
    expect(engine.origin.asked.length).toBe(6)
  })

  it('takes a transfer that breaks off for no dead origin', async () => {
    const engine = await createEngine()
    engine.origin.files.set('short', { body: 'abc', headers: { 'content-length': '9' } })
    for (let i = 0; i < 6; i++) await expect(get(engine, 'short')).rejects.toThrow()
    expect(engine.origin.asked.length).toBe(6)
  })

  it('asks nothing of an origin that is left alone for a HEAD either', async () => {
    const engine = await failing(5)
    expect((await engine.head('/api/v1/remote/r/x')).status).toBe(503)
    expect(engine.origin.asked.length).toBe(5)
  })

  async function failing(times: number): Promise<Engine> {
    const engine = await createEngine()
    await fail(engine, times)
    return engine
  }

  async function fail(engine: Engine, times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      engine.origin.files.set(`down-${i}`, unreachable())
      expect((await get(engine, `down-${i}`)).status).toBe(502)
    }
  }
})

/** An engine that has a copy whose time is over. */
async function expired(entry: object, path: string, script: Script): Promise<Engine> {
  const engine = await createEngine({ settings: { remotes: { r: { ...entry } } } })
  engine.origin.files.set(path, script)
  await engine.get(`/api/v1/remote/r/${path}`)
  await settle()
  await engine.clock.advance(60_000)
  return engine
}
