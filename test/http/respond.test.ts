import { describe, expect, it } from 'vitest'
import { createEngine, type Engine, settle } from '../engine.ts'
import { sha256Of } from '../pattern-body.ts'
import { bodyInPieces } from '../scripted-origin.ts'

const DATE = 'Thu, 01 Jan 2026 00:00:00 GMT'
const ETAG = `"${sha256Of('abcdef')}"`

describe('the headers of a hit', () => {
  it('are these', async () => {
    const engine = await hit({ etag: '"v1"', 'last-modified': DATE, 'content-type': 'text/plain' })
    await engine.clock.advance(90_500)
    const { headers } = await engine.get('/api/r/a.bin')
    expect(Object.fromEntries(headers)).toEqual({
      'accept-ranges': 'bytes',
      age: '90',
      'cache-status': 'artifactapi; hit',
      'content-disposition': 'attachment; filename="a.bin"',
      'content-length': '6',
      'content-type': 'text/plain',
      etag: ETAG,
      'last-modified': DATE,
      'repr-digest': `sha-256=:${Buffer.from(sha256Of('abcdef'), 'hex').toString('base64')}:`,
      'x-artifact-source': 'cache',
      'x-content-type-options': 'nosniff',
    })
  })

  it('have the time of storing where the origin told no date', async () => {
    const engine = await hit()
    await engine.clock.advance(5000)
    expect((await engine.get('/api/r/a.bin')).headers.get('last-modified')).toBe(DATE)
  })

  it('tell how long it stays fresh', async () => {
    const engine = await createEngine({ settings: { remotes: { r: { immutable_ttl: 100 } } } })
    engine.origin.files.set('a.bin', { body: 'abcdef' })
    await engine.get('/api/r/a.bin')
    await engine.clock.advance(30_000)
    expect((await engine.get('/api/r/a.bin')).headers.get('cache-status')).toBe('artifactapi; hit; ttl=70')
    await engine.clock.advance(60_000)
    expect((await engine.get('/api/r/a.bin')).headers.get('cache-status')).toBe('artifactapi; hit; ttl=10')
  })

  it('pass the encoding of the origin on', async () => {
    const engine = await hit({ 'content-encoding': 'gzip' })
    expect((await engine.get('/api/r/a.bin')).headers.get('content-encoding')).toBe('gzip')
    const plain = await hit({ 'content-encoding': 'identity' })
    expect((await plain.get('/api/r/a.bin')).headers.get('content-encoding')).toBeNull()
  })
})

describe('the headers of a miss', () => {
  it('are these', async () => {
    const engine = await createEngine()
    const headers = { etag: '"v1"', 'last-modified': DATE, 'set-cookie': 'a=b', server: 'x' }
    engine.origin.files.set('a.tgz', { body: 'abcdef', headers })
    expect(Object.fromEntries((await engine.get('/api/r/a.tgz')).headers)).toEqual({
      'accept-ranges': 'bytes',
      'cache-status': 'artifactapi; fwd=miss; fwd-status=200; stored',
      'content-disposition': 'attachment; filename="a.tgz"',
      'content-length': '6',
      'content-type': 'application/gzip',
      etag: '"v1"',
      'last-modified': DATE,
      'x-artifact-source': 'remote',
      'x-content-type-options': 'nosniff',
    })
  })

  it('have no tag where the origin tells a weak one, which is still known later', async () => {
    const engine = await createEngine()
    engine.origin.files.set('a.bin', { body: 'abcdef', headers: { etag: 'W/"v1"' } })
    expect((await engine.get('/api/r/a.bin')).headers.get('etag')).toBeNull()
    expect((await engine.get('/api/r/a.bin', { 'if-none-match': 'W/"v1"' })).status).toBe(304)
  })

  it('have no length where the origin tells none', async () => {
    const engine = await createEngine()
    const pieces = bodyInPieces()
    engine.origin.files.set('a.bin', { body: pieces })
    const answer = await engine.open('/api/r/a.bin')
    expect(answer.headers.get('content-length')).toBeNull()
    pieces.push('abcdef')
    pieces.end()
    await answer.arrayBuffer()
    expect((await engine.get('/api/r/a.bin')).headers.get('content-length')).toBe('6')
  })

  it('are told to a HEAD, and nothing is fetched', async () => {
    const engine = await createEngine()
    engine.origin.files.set('a.tgz', { body: 'abcdef', headers: { etag: '"v1"' } })
    const told = await engine.head('/api/r/a.tgz')
    expect([told.status, told.headers.get('content-length')]).toEqual([200, '6'])
    expect(told.headers.get('etag')).toBe('"v1"')
    expect(engine.origin.asked).toEqual(['HEAD a.tgz'])
    expect((await engine.head('/api/r/a.tgz', { 'if-none-match': '"v1"' })).status).toBe(304)
    expect((await engine.services.blobs.list()).blobs).toEqual([])
  })

  it('are 304 where the client has what is on its way', async () => {
    const engine = await createEngine()
    engine.origin.files.set('a.bin', { body: 'abcdef', headers: { etag: '"v1"' } })
    const answer = await engine.get('/api/r/a.bin', { 'if-none-match': '"v1"' })
    expect([answer.status, answer.body]).toEqual([304, ''])
    await settle()
    expect((await engine.get('/api/r/a.bin')).headers.get('x-artifact-source')).toBe('cache')
  })
})

describe('the type and the name of a file', () => {
  it.each([
    ['a.json', null, 'application/json'],
    ['a.json', 'application/octet-stream', 'application/json'],
    ['a.json', 'binary/octet-stream', 'application/json'],
    ['a.json', 'text/x-other', 'text/x-other'],
    ['a.TGZ', null, 'application/gzip'],
    ['a.unknown', null, 'application/octet-stream'],
    ['noname', null, 'application/octet-stream'],
  ])('%s that the origin calls %s is %s', async (path, said, type) => {
    const engine = await createEngine()
    engine.origin.files.set(path, { body: 'x', headers: said === null ? {} : { 'content-type': said } })
    expect((await engine.get(`/api/r/${path}`)).headers.get('content-type')).toBe(type)
    expect((await engine.get(`/api/r/${path}`)).headers.get('content-type')).toBe(type)
  })

  it.each([
    ['plain-1.0.bin', 'attachment; filename="plain-1.0.bin"'],
    ['with%20space', 'attachment; filename="with space"'],
    ['%C3%A9.bin', `attachment; filename="_.bin"; filename*=UTF-8''%C3%A9.bin`],
    ['a%22b.bin', `attachment; filename="a_b.bin"; filename*=UTF-8''a%22b.bin`],
    ["it's(1).bin", `attachment; filename="it's(1).bin"`],
    ["%C3%A9'(*).bin", `attachment; filename="_'(*).bin"; filename*=UTF-8''%C3%A9%27%28%2A%29.bin`],
    ['dir/', 'attachment; filename="dir"'],
  ])('%s is sent as %s', async (path, disposition) => {
    const engine = await createEngine()
    engine.origin.files.set(path, { body: 'x' })
    expect((await engine.get(`/api/r/${path}`)).headers.get('content-disposition')).toBe(disposition)
  })

  it('lets pages of an origin be shown, without the rights of our own', async () => {
    const engine = await createEngine()
    engine.origin.files.set('dir/', { body: '<p>', headers: { 'content-type': 'text/html' } })
    const { headers } = await engine.get('/api/r/dir/')
    expect(headers.get('content-disposition')).toBe('inline; filename="dir"')
    expect(headers.get('content-security-policy')).toBe('sandbox')
  })
})

describe('ranges of a hit', () => {
  it.each([
    ['bytes=0-0', 206, 'a', 'bytes 0-0/6'],
    ['bytes=2-', 206, 'cdef', 'bytes 2-5/6'],
    ['bytes=2-99', 206, 'cdef', 'bytes 2-5/6'],
    ['bytes=-2', 206, 'ef', 'bytes 4-5/6'],
    ['bytes=-99', 206, 'abcdef', 'bytes 0-5/6'],
    ['bytes=6-', 416, '', 'bytes */6'],
    ['bytes=5-0', 416, '', 'bytes */6'],
    ['bytes=-0', 416, '', 'bytes */6'],
    ['bytes=0-1,3-4', 200, 'abcdef', null],
    ['lines=0-1', 200, 'abcdef', null],
    ['bytes=-', 200, 'abcdef', null],
  ])('%s is %i', async (range, status, body, contentRange) => {
    const engine = await hit()
    const answer = await engine.get('/api/r/a.bin', { range })
    expect([answer.status, answer.body, answer.headers.get('content-range')]).toEqual([
      status,
      body,
      contentRange,
    ])
    expect(answer.headers.get('content-length')).toBe(String(body.length))
  })

  it('are ignored by HEAD', async () => {
    const engine = await hit()
    const told = await engine.head('/api/r/a.bin', { range: 'bytes=0-1' })
    expect([told.status, told.headers.get('content-length')]).toEqual([200, '6'])
  })

  it('are answered whole when they are of other bytes', async () => {
    const engine = await hit({ etag: '"v1"' })
    const ask = (tag: string) => engine.get('/api/r/a.bin', { range: 'bytes=0-1', 'if-range': tag })
    expect((await ask('"v0"')).status).toBe(200)
    expect((await ask('"v1"')).status).toBe(206)
    expect((await ask(ETAG)).status).toBe(206)
  })

  it('of an empty file are 416', async () => {
    const engine = await createEngine()
    engine.origin.files.set('empty', { body: '' })
    await engine.get('/api/r/empty')
    expect((await engine.get('/api/r/empty', { range: 'bytes=0-' })).status).toBe(416)
  })

  it('of a file on its way are 416 where its size says so', async () => {
    const engine = await createEngine()
    engine.origin.files.set('a.bin', { body: 'abcdef' })
    const answer = await engine.get('/api/r/a.bin', { range: 'bytes=6-' })
    expect([answer.status, answer.headers.get('content-range')]).toEqual([416, 'bytes */6'])
  })
})

describe('a 304', () => {
  it('has the validators, and nothing of a body', async () => {
    const engine = await hit({ 'last-modified': DATE })
    const { status, headers } = await engine.get('/api/r/a.bin', { 'if-none-match': ETAG })
    expect(status).toBe(304)
    expect([headers.get('etag'), headers.get('last-modified')]).toEqual([ETAG, DATE])
    for (const name of ['content-length', 'content-type', 'content-disposition'])
      expect(headers.get(name)).toBeNull()
  })

  it('comes before a range', async () => {
    const engine = await hit()
    const answer = await engine.get('/api/r/a.bin', { 'if-none-match': ETAG, range: 'bytes=0-1' })
    expect(answer.status).toBe(304)
  })
})

describe('refusals', () => {
  it('have a request id, and a length also for HEAD', async () => {
    const engine = await createEngine()
    const [got, told] = [await engine.get('/api/r/x'), await engine.head('/api/r/x')]
    expect(got.headers.get('x-artifactapi-request-id')).toMatch(/^\w+-\w+$/)
    expect(got.headers.get('x-content-type-options')).toBe('nosniff')
    expect([told.status, told.body]).toEqual([404, ''])
    expect(told.headers.get('content-length')).toBe(String(got.bytes.byteLength))
  })

  it('say nothing of what went wrong inside, but the log does', async () => {
    const engine = await createEngine()
    engine.origin.files.set('x', () => {
      throw new TypeError('secret reason')
    })
    const answer = await engine.get('/api/r/x')
    expect([answer.status, answer.body]).toEqual([
      500,
      'Something went wrong inside; the log has the cause\n',
    ])
    expect(engine.logged.some(line => line.includes('secret reason'))).toBe(true)
  })
})

/** An engine that has a.bin with six bytes. */
async function hit(headers: Readonly<Record<string, string>> = {}): Promise<Engine> {
  const engine = await createEngine()
  engine.origin.files.set('a.bin', { body: 'abcdef', headers })
  await engine.get('/api/r/a.bin')
  return engine
}
