import { describe, expect, it } from 'vitest'
import { findPlace, rawTargetOf } from '../../src/http/requests.ts'
import { createEngine, readAnswer } from '../engine.ts'

describe('rawTargetOf', () => {
  it.each([
    ['http://h/a', '/a'],
    ['http://h:8000/a%2Fb/../c?x=1&y=/z', '/a%2Fb/../c?x=1&y=/z'],
    ['https://user@h//a', '//a'],
    ['http://[::1]:80/a://b', '/a://b'],
  ])('of %s is %s', (url, target) => {
    expect(rawTargetOf(url)).toBe(target)
  })
})

describe('findPlace', () => {
  it.each([
    ['/api/v1/remote/r/a/b', 'remote', 'r', 'a/b', '', '/api/v1/remote/r'],
    ['/api/v1/virtual/v/a', 'virtual', 'v', 'a', '', '/api/v1/virtual/v'],
    ['/api/r/a/b', 'remote', 'r', 'a/b', '', '/api/r'],
    ['/api/r', 'remote', 'r', '', '', '/api/r'],
    ['/api/r/', 'remote', 'r', '', '', '/api/r'],
    ['/api/r//a//', 'remote', 'r', '/a//', '', '/api/r'],
    ['/api/v1/remote/r/a?x=/y?z', 'remote', 'r', 'a', 'x=/y?z', '/api/v1/remote/r'],
    ['/api/r?x=1', 'remote', 'r', '', 'x=1', '/api/r'],
    ['/api/v10/a', 'remote', 'v10', 'a', '', '/api/v10'],
    ['/api/r/a%2Fb', 'remote', 'r', 'a%2Fb', '', '/api/r'],
    ['/api/r%2Fa/b', 'remote', 'r%2Fa', 'b', '', '/api/r%2Fa'],
    ['/api/r/../../v1', 'remote', 'r', '../../v1', '', '/api/r'],
  ])('%s', (target, surface, repository, rawPath, query, base) => {
    expect(findPlace(target)).toEqual({ surface, repository, rawPath, query, base })
  })

  it.each([
    '/',
    '/api',
    '/api/',
    '/api//r/a',
    '/apir/a',
    '/health',
    '/api/v1',
    '/api/v1/',
    '/api/v1/remote',
    '/api/v1/remote/',
    '/api/v1/remote//a',
    '/api/v1/local/l/a',
    '/api/v1/artifacts/r',
    '/api/v2/remotes',
    '/v2/r/blobs/x',
    'http://other/api/r/a',
    '*',
  ])('%s is no package', target => {
    expect(findPlace(target)).toBeNull()
  })

  it('refuses a query that is too long', () => {
    expect(findPlace(`/api/r/a?${'x'.repeat(4096)}`)).not.toBeNull()
    expect(() => findPlace(`/api/r/a?${'x'.repeat(4097)}`)).toThrow('4097')
  })
})

describe('a request with a hostile path', () => {
  it.each([
    ['/api/r/..', 400],
    ['/api/r/../secret', 400],
    ['/api/r/a/../../secret', 400],
    ['/api/r/./a', 400],
    ['/api/r/%2e%2e/secret', 400],
    ['/api/r/%2E./secret', 400],
    ['/api/r/a%2F..%2Fsecret', 400],
    ['/api/r/a%2f%2e%2e', 400],
    ['/api/r/..\\secret', 400],
    ['/api/r/..%5Csecret', 400],
    ['/api/r/a%00b', 400],
    ['/api/r/a%0d%0ahost:x', 400],
    ['/api/r/a\u0001', 400],
    ['/api/r/a%7f', 400],
    ['/api/r/%', 400],
    ['/api/r/%zz', 400],
    ['/api/r/%ff', 400],
    ['/api/r/secret#.tgz', 400],
    ['/api/r/secret?x#.tgz', 400],
    ['/api/../r/a', 400],
    ['/api/%2e%2e/r', 400],
    [`/api/r/${'a'.repeat(1025)}`, 414],
    [`/api/r/${'é'.repeat(513)}`, 414],
    [`/api/r/${'%41'.repeat(1025)}`, 414],
    [`/api/r/a?${'x'.repeat(5000)}`, 414],
  ])('%s never reaches the origin', async (path, status) => {
    for (const method of ['GET', 'HEAD']) {
      const { engine, answer } = await raw(path, method)
      expect(answer.status).toBe(status)
      expect(engine.origin.asked).toEqual([])
    }
  })

  it.each([
    ['/api/r/%252e%252e/a', '%252e%252e/a'],
    ['/api/r/a%2Fb', 'a%2Fb'],
    ['/api/r/...', '...'],
    ['/api/r//origin.other/a', '/origin.other/a'],
    ['/api/r/https://origin.other/a', 'https://origin.other/a'],
    ['/api/r/@origin.other/a', '@origin.other/a'],
    ['/api/r/a%23b%3Fc', 'a%23b%3Fc'],
    ['/api/r/a?x=1&x=2', 'a?x=1&x=2'],
    [`/api/r/${'a'.repeat(1024)}`, 'a'.repeat(1024)],
  ])('%s stays below the base URL', async (path, asked) => {
    const { engine, answer } = await raw(path)
    expect([answer.status, engine.origin.asked]).toEqual([404, [`GET ${asked}`]])
  })

  it('is the same object for every spelling of a character', async () => {
    const engine = await createEngine()
    engine.origin.files.set('%61bc', { body: 'x' })
    await engine.get('/api/r/%61bc')
    expect((await engine.get('/api/v1/remote/r/abc')).headers.get('x-artifact-source')).toBe('cache')
    expect((await engine.get('/api/v1/remote/r/a%2Fbc')).status).toBe(404)
  })

  it('is another object for another query', async () => {
    const engine = await createEngine()
    for (const query of ['', '?x=1', '?x=2']) engine.origin.files.set(`a${query}`, { body: `a${query}` })
    for (const query of ['', '?x=1', '?x=2', '', '?x=1']) {
      expect((await engine.get(`/api/r/a${query}`)).body).toBe(`a${query}`)
    }
    expect(engine.origin.asked.length).toBe(3)
  })
})

describe('a request for what is not there', () => {
  it.each([
    ['/api/none/a', /no repository "none"/],
    ['/api/token/a', /no repository "token"/],
    ['/api/v1/remote/none/a', /no repository "none"/],
    ['/api/v1/virtual/r/a', /no virtual repository "r"/],
  ])('%s is 404', async (path, words) => {
    const engine = await createEngine()
    const answer = await engine.get(path)
    expect([answer.status, answer.body]).toEqual([404, expect.stringMatching(words)])
  })

  it.each(['POST', 'PATCH', 'OPTIONS', 'PROPFIND'])('by %s is 405', async method => {
    const engine = await createEngine()
    const answer = await engine.open('/api/r/a', { method })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })
})

/** As it comes over the wire, where nothing has made the path nice. */
async function raw(path: string, method = 'GET') {
  const engine = await createEngine()
  const request = new Request('http://cache.example/', { method })
  Object.defineProperty(request, 'url', { value: `http://cache.example${path}` })
  return { engine, answer: await readAnswer(await engine.app.fetch(request)) }
}
