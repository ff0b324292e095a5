import { describe, expect, it } from 'vitest'
import { ADMIN, createEngine, type Engine, type EngineOptions, ORIGIN, settle } from '../engine.ts'

const URL_OF_A = '/api/v1/remote/r/a'

describe('the hot path', () => {
  it('answers at once what was sent from the store before', async () => {
    const engine = await createEngine()
    engine.origin.files.set('a', { body: 'abc' })
    const atOnce: boolean[] = []
    for (let i = 0; i < 3; i++) {
      atOnce.push(engine.answersAtOnce(URL_OF_A))
      await settle()
    }
    expect(atOnce).toEqual([false, false, true])
    expect((await engine.get(URL_OF_A)).body).toBe('abc')
  })

  it('counts and logs what it answers', async () => {
    const engine = await hot()
    engine.logged.length = 0
    await engine.get(`${URL_OF_A}`)
    expect(engine.logged).toEqual(['info Cache HIT'])
    const { services } = engine
    const hits = services.meter.counter('artifactapi_requests_total', {
      repo: 'r',
      format: 'generic',
      outcome: 'hit',
    })
    const bytes = services.meter.counter('artifactapi_client_bytes_total', { repo: 'r' })
    const before = [hits.value, bytes.value]
    expect(engine.answersAtOnce(URL_OF_A)).toBe(true)
    expect([hits.value, bytes.value]).toEqual([before[0]! + 1, before[1]! + 3])
    await engine.app.repositories.catalog.flushTouches()
    const [row] = await engine.app.repositories.catalog.list('r', { limit: 1 })
    expect(row?.hits).toBe(3)
  })

  it.each([
    ['HEAD', { method: 'HEAD' }],
    ['a range', { headers: { range: 'bytes=0-0' } }],
    ['if-none-match', { headers: { 'if-none-match': '"x"' } }],
    ['if-modified-since', { headers: { 'if-modified-since': 'Thu, 01 Jan 2026 00:00:00 GMT' } }],
    ['PUT', { method: 'PUT', body: 'x' }],
    ['DELETE', { method: 'DELETE' }],
  ])('leaves %s to the long way', async (_, init) => {
    const engine = await hot()
    expect(engine.answersAtOnce(URL_OF_A, init)).toBe(false)
  })

  it('keeps an answer of its own for each spelling and query', async () => {
    const engine = await hot()
    engine.origin.files.set('a?x', { body: 'other' })
    for (const [url, body] of [
      [`${URL_OF_A}?x`, 'other'],
      ['/api/r/%61', 'abc'],
    ]) {
      expect(engine.answersAtOnce(url!)).toBe(false)
      await settle()
      expect((await engine.get(url!)).body).toBe(body)
    }
  })

  it('shares no headers between answers', async () => {
    const engine = await hot()
    const answer = await engine.open(URL_OF_A)
    answer.headers.set('etag', 'spoilt')
    const { headers } = await engine.get(URL_OF_A)
    expect(headers.get('etag')).not.toBe('spoilt')
  })

  it('tells the age of now', async () => {
    const engine = await hot()
    for (const [ms, age] of [
      [1500, '1'],
      [700, '2'],
      [900, '3'],
    ] as const) {
      await engine.clock.advance(ms)
      expect(engine.answersAtOnce(URL_OF_A)).toBe(true)
      expect((await engine.get(URL_OF_A)).headers.get('age')).toBe(age)
    }
  })

  describe('answers no more', () => {
    it('when the configuration changed', async () => {
      const engine = await hot()
      engine.configure({ remotes: { r: { blocklist: ['^a$'] } } })
      expect(engine.answersAtOnce(URL_OF_A)).toBe(false)
      expect((await engine.get(URL_OF_A)).status).toBe(403)
      engine.configure({ remotes: {} })
      expect((await engine.get(URL_OF_A)).status).toBe(404)
    })

    it('when a repository was made through the API', async () => {
      const engine = await hot()
      await engine.app.repositories.catalog.putRepository('other', '{"base_url":"https://other.example"}')
      await engine.app.repositories.directory.refresh()
      expect(engine.answersAtOnce(URL_OF_A)).toBe(false)
    })

    it('soon after another process changed a repository', async () => {
      const engine = await createEngine({ settings: {} })
      const { catalog, directory } = engine.app.repositories
      await catalog.putRepository('r', JSON.stringify({ base_url: ORIGIN }))
      await directory.refresh()
      engine.origin.files.set('a', { body: 'abc' })
      for (let i = 0; i < 2; i++) await engine.get(URL_OF_A)
      engine.app.maintain()
      await catalog.putRepository('r', JSON.stringify({ base_url: ORIGIN, blocklist: ['^a$'] }))
      expect(engine.answersAtOnce(URL_OF_A)).toBe(true)
      await engine.clock.advance(10_000)
      await settle()
      expect(engine.answersAtOnce(URL_OF_A)).toBe(false)
      expect((await engine.get(URL_OF_A)).status).toBe(403)
      await engine.app.stop()
    })

    it('when the row was replaced', async () => {
      const engine = await hot(
        { settings: { remotes: { r: { type: 'local', allow_redeploy: true } } } },
        'local',
      )
      expect(engine.answersAtOnce(URL_OF_A)).toBe(true)
      expect((await engine.put(URL_OF_A, 'new')).status).toBe(200)
      expect(engine.answersAtOnce(URL_OF_A)).toBe(false)
      expect((await engine.get(URL_OF_A)).body).toBe('new')
    })

    it('when the row was deleted', async () => {
      const engine = await hot({ settings: { remotes: { r: { type: 'local' } } } }, 'local')
      await engine.open(URL_OF_A, { method: 'DELETE', headers: ADMIN })
      expect(engine.answersAtOnce(URL_OF_A)).toBe(false)
      expect((await engine.get(URL_OF_A)).status).toBe(404)
    })

    it('when the row was forgotten', async () => {
      const engine = await hot()
      const row = await engine.app.repositories.catalog.find('r', 'a')
      await engine.app.repositories.catalog.forget(row!)
      engine.origin.files.set('a', { body: 'new' })
      expect((await engine.get(URL_OF_A)).body).toBe('new')
    })

    it('when its time is over', async () => {
      const engine = await hot({ settings: { remotes: { r: { immutable_ttl: 60 } } } })
      await engine.clock.advance(59_999)
      expect(engine.answersAtOnce(URL_OF_A)).toBe(true)
      await engine.clock.advance(1)
      engine.origin.files.set('a', { body: 'new' })
      expect((await engine.get(URL_OF_A)).body).toBe('new')
    })

    it('when the file behind it is not whole', async () => {
      let isWhole = true
      const engine = await hot({
        services: {
          delivery: {
            streamsKeepLength: true,
            blob: (blob, range) => blob.stream(range ?? undefined),
            stream: stream => stream,
            reusable: ({ bytes }) => (bytes === undefined ? null : { body: bytes, isWhole: () => isWhole }),
          },
        },
      })
      expect(engine.answersAtOnce(URL_OF_A)).toBe(true)
      isWhole = false
      expect(engine.answersAtOnce(URL_OF_A)).toBe(false)
    })

    it('when nothing may be kept in memory', async () => {
      const engine = await hot({ options: { hotCacheBytes: 0 } })
      expect(engine.answersAtOnce(URL_OF_A)).toBe(false)
    })

    it('when the repository is read through a virtual one', async () => {
      const engine = await createEngine({
        settings: { remotes: { r: {} }, virtuals: { v: { members: ['r'] } } },
      })
      engine.origin.files.set('a', { body: 'abc' })
      for (let i = 0; i < 3; i++) await engine.get('/api/v1/virtual/v/a')
      expect(engine.answersAtOnce('/api/v1/virtual/v/a')).toBe(false)
    })
  })

  it('stays within its memory, and lets what is not asked for go', async () => {
    const engine = await createEngine({ options: { hotCacheBytes: 2 * 10 * (1024 + 1000) } })
    const paths = Array.from({ length: 30 }, (_, i) => `f${i}`)
    for (const path of paths) {
      engine.origin.files.set(path, { body: 'x'.repeat(1000) })
      for (let i = 0; i < 2; i++) await engine.get(`/api/r/${path}`)
      // The first one is asked for again and again.
      await engine.get('/api/r/f0')
    }
    const atOnce = paths.filter(path => engine.answersAtOnce(`/api/r/${path}`))
    expect(atOnce.length).toBeLessThanOrEqual(10)
    expect(atOnce).toContain('f0')
    expect(atOnce).toContain('f29')
    expect(atOnce).not.toContain('f1')
  })
})

/** An engine that has `a` hot. */
async function hot(options: EngineOptions = {}, kind: 'remote' | 'local' = 'remote'): Promise<Engine> {
  const engine = await createEngine(options)
  engine.origin.files.set('a', { body: 'abc' })
  if (kind === 'local') await engine.put(URL_OF_A, 'abc')
  for (let i = 0; i < 2; i++) await engine.get(URL_OF_A)
  return engine
}
