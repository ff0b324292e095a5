// The management surface as its clients see it, without a socket: methods, access, bodies, headers.

import { beforeEach, describe, expect, it } from 'vitest'
import { createAuth } from '../../src/http/auth.ts'
import { createManageRoutes } from '../../src/http/manage/routes.ts'
import { createEventHub, type EventHub } from '../../src/manage/events.ts'
import { createFigures } from '../../src/manage/figures.ts'
import { ADMIN_TOKEN, createWorld, ORIGIN, type World, type WorldOptions } from './world.ts'

let world: World
let events: EventHub
let fetch: (request: Request) => Response | Promise<Response>

async function open(options: WorldOptions = {}): Promise<void> {
  world = await createWorld(options)
  events = createEventHub(world.clock)
  const { repositories } = world
  const auth = createAuth(world.services.options)
  const app = createManageRoutes({ repositories, auth, events, figures: createFigures(repositories) })
  fetch = request => app.fetch(request)
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: Record<string, unknown>
}

async function ask(
  method: string,
  path: string,
  given: { body?: unknown; headers?: HeadersInit; anonymous?: boolean } = {},
) {
  const { body, anonymous } = given
  const headers = new Headers(given.headers)
  if (!anonymous) headers.set('authorization', `Bearer ${ADMIN_TOKEN}`)
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const response = await fetch(new Request(`http://cache.example${path}`, { method, headers, body: text }))
  const answer = await response.text()
  const isJson = (response.headers.get('content-type') ?? '').includes('json') && answer !== ''
  const result: Answer = {
    status: response.status,
    headers: response.headers,
    text: answer,
    json: isJson ? JSON.parse(answer) : {},
  }
  return result
}

beforeEach(() => open({ virtuals: { all: { members: ['files', 'store'] } } }))

describe('pages', () => {
  it('list the repositories with their addresses', async () => {
    const { json } = await ask('GET', '/')
    expect(json).toMatchObject({
      name: 'artifactapi',
      remotes: {
        files: { package: 'generic', type: 'remote', url: 'http://cache.example/api/v1/remote/files' },
        store: { type: 'local' },
      },
      virtuals: { all: { url: 'http://cache.example/api/v1/virtual/all' } },
    })
  })

  it('name the public address where one is set', async () => {
    await open({ options: { publicUrl: 'https://cache.example.org/sub' } })
    expect((await ask('GET', '/')).text).toContain('https://cache.example.org/sub/api/v1/remote/files')
  })

  it('are HTML only for who prefers it, and escape what they show', async () => {
    await open({ remotes: { files: { description: '<script>alert(1)</script>' } } })
    const page = async (accept: string) => await ask('GET', '/', { headers: { accept } })
    const html = await page('text/html,application/xhtml+xml,*/*;q=0.8')
    expect(html.headers.get('content-type')).toMatch(/^text\/html/)
    expect(html.text).toContain('&lt;script&gt;')
    expect(html.text).not.toContain('<script>')
    for (const accept of ['*/*', 'application/json, text/html;q=0.5', 'text/html;q=0.1, */*', 'image/png']) {
      expect((await page(accept)).headers.get('content-type')).toBe('application/json')
    }
  })

  it('answer HEAD with the length of GET and no body', async () => {
    for (const path of [
      '/',
      '/health',
      '/ready',
      '/config',
      '/metrics',
      '/api/v2/remotes',
      '/artifacts/files',
    ]) {
      const [get, head] = [await ask('GET', path), await ask('HEAD', path)]
      expect([path, head.status, head.text]).toEqual([path, 200, ''])
      if (path !== '/metrics') {
        expect(head.headers.get('content-length')).toBe(String(new TextEncoder().encode(get.text).byteLength))
      }
    }
  })

  it('refuse other methods with the ones there are', async () => {
    const answer = await ask('POST', '/health')
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    const other = await ask('PATCH', '/api/v2/remotes/files')
    expect([other.status, other.headers.get('allow')]).toEqual([405, 'GET, HEAD, PUT, DELETE'])
  })

  it('say 503 when a needed part is gone', async () => {
    const part = { name: 'catalog', product: 'SQLite', isNeeded: true, check: async () => {} }
    await open({ services: { parts: [part] } })
    expect((await ask('GET', '/ready')).status).toBe(200)
    part.check = () => Promise.reject(new Error('gone'))
    await world.clock.advance(1000)
    const answer = await ask('GET', '/ready')
    expect([answer.status, answer.text]).toEqual([503, expect.stringContaining('gone')])
  })

  it('show the configuration in effect without secrets', async () => {
    await open({
      remotes: { files: { username: 'robot', password: 'hunter2', headers: { 'X-Key': 'of-header' } } },
    })
    const { status, text } = await ask('GET', '/config')
    expect([status, text.includes(ORIGIN)]).toEqual([200, true])
    for (const secret of ['hunter2', 'of-header', 'robot', ADMIN_TOKEN]) expect(text).not.toContain(secret)
  })
})

describe('access', () => {
  const reads = [
    '/',
    '/config',
    '/metrics',
    '/artifacts/files',
    '/api/v2/remotes',
    '/api/v2/stats',
    '/api/v2/events',
  ]

  it('to read is open', async () => {
    for (const path of reads.filter(path => !path.endsWith('/events'))) {
      expect([path, (await ask('GET', path, { anonymous: true })).status]).toEqual([path, 200])
    }
  })

  it('to read is closed where anonymous reading is off, but for health and readiness', async () => {
    await open({ options: { anonymousRead: false } })
    for (const path of reads) {
      expect([path, (await ask('GET', path, { anonymous: true })).status]).toEqual([path, 401])
    }
    for (const path of ['/health', '/ready']) {
      expect((await ask('GET', path, { anonymous: true })).status).toBe(200)
    }
  })

  it('to change needs the token, before anything else is looked at', async () => {
    const changes = [
      ['PUT', '/cache/flush'],
      ['POST', '/api/v1/artifacts/files'],
      ['POST', '/artifacts/files'],
      ['POST', '/cache-artifact'],
      ['POST', '/api/v2/remotes'],
      ['PUT', '/api/v2/remotes/files'],
      ['DELETE', '/api/v2/remotes/files'],
      ['DELETE', '/api/v2/remotes/files/objects'],
      ['POST', '/api/v2/virtuals'],
      ['DELETE', '/api/v2/virtuals/all'],
      ['POST', '/api/v2/probe'],
    ] as const
    for (const [method, path] of changes) {
      const answer = await ask(method, path, {
        anonymous: true,
        body: method === 'DELETE' ? undefined : 'no json',
      })
      expect([method, path, answer.status]).toEqual([method, path, 401])
      expect(answer.headers.get('www-authenticate')).toBeTruthy()
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
    }
  })
})

describe('bodies', () => {
  it('with unknown keys are refused with the nearest known one', async () => {
    const answer = await ask('PUT', '/cache/flush', { body: { remotes: 'files' } })
    expect([answer.status, answer.text]).toEqual([
      422,
      expect.stringContaining('nearest known one is \\"remote\\"'),
    ])
    const other = await ask('PUT', '/cache/flush', { body: { paths: 'a', mutable_only: 'yes' } })
    expect(other.json.faults).toHaveLength(2)
  })

  it('that are no JSON objects are refused', async () => {
    for (const body of ['{', '[]', '"x"', 'null', '']) {
      for (const path of ['/api/v2/remotes', '/api/v2/probe', '/cache-artifact']) {
        expect([400, 422]).toContain((await ask('POST', path, { body })).status)
      }
    }
  })

  it('that are too large are refused', async () => {
    const answer = await ask('POST', '/api/v2/remotes', { body: `{"name":"${'x'.repeat(1_100_000)}"}` })
    expect(answer.status).toBe(413)
  })

  it('hold at most a thousand paths', async () => {
    const paths = Array.from({ length: 1001 }, (_, index) => String(index))
    expect((await ask('POST', '/api/v1/artifacts/files', { body: { paths } })).status).toBe(422)
  })
})

describe('the verbs of the cache', () => {
  it('flush, with what was dropped', async () => {
    await world.keep('files', 'a')
    const answer = await ask('PUT', '/cache/flush', { body: { remote: 'files', paths: ['a'] } })
    expect([answer.status, answer.json]).toEqual([
      200,
      {
        objects: 1,
        bytes: 1,
        dropped: [{ repository: 'files', path: 'a', sha256: expect.any(String), size: 1 }],
        has_more: false,
      },
    ])
  })

  it('list pages under both addresses', async () => {
    for (const path of ['a', 'b', 'c']) await world.keep('files', path)
    for (const route of ['/api/v1/artifacts/files', '/artifacts/files', '/api/v2/remotes/files/objects']) {
      const first = await ask('GET', `${route}?limit=2`)
      expect(first.json).toMatchObject({ objects: [{ path: 'a' }, { path: 'b' }], cursor: 'b' })
      const second = await ask('GET', `${route}?limit=2&cursor=${first.json.cursor}`)
      expect(second.json).toMatchObject({ objects: [{ path: 'c' }], cursor: null })
    }
    for (const limit of ['0', '-1', 'x', '1001', '1.5']) {
      expect((await ask('GET', `/artifacts/files?limit=${limit}`)).status).toBe(400)
    }
  })

  it('fetch a batch, and sum it up', async () => {
    world.origin.set('/a', { body: 'a' })
    const answer = await ask('POST', '/cache-artifact', { body: { remote: 'files', paths: ['a', 'none'] } })
    expect(answer.json).toMatchObject({ remote: 'files', cached: 0, fetched: 1, refused: 1 })
    const other = await ask('POST', '/api/v1/artifacts/files', { body: { remote: 'more', paths: ['a'] } })
    expect(other.status).toBe(422)
  })
})

describe('API v2', () => {
  it('creates, shows, changes and deletes', async () => {
    const created = await ask('POST', '/api/v2/remotes', { body: { name: 'made', base_url: ORIGIN } })
    expect([created.status, created.headers.get('location')]).toEqual([201, '/api/v2/remotes/made'])
    const shown = await ask('GET', '/api/v2/remotes/made')
    expect(shown.json).toMatchObject({
      name: 'made',
      base_url: ORIGIN,
      url: 'http://cache.example/api/v1/remote/made',
    })
    expect((await ask('PUT', '/api/v2/remotes/made', { body: shown.json })).status).toBe(200)
    const named = await ask('PUT', '/api/v2/remotes/made', { body: { name: 'other', base_url: ORIGIN } })
    expect(named.status).toBe(422)
    expect((await ask('DELETE', '/api/v2/remotes/made')).status).toBe(200)
    expect((await ask('GET', '/api/v2/remotes/made')).status).toBe(404)
  })

  it('evicts only what is named', async () => {
    for (const path of ['a', 'b']) await world.keep('files', path)
    const objects = '/api/v2/remotes/files/objects'
    for (const query of ['', '?paht=a', '?path=a&prefix=a']) {
      expect((await ask('DELETE', `${objects}${query}`)).status).toBe(400)
    }
    expect((await ask('DELETE', `${objects}?path=a`)).json).toMatchObject({ objects: 1 })
    expect(await world.keys('files')).toEqual(['b'])
    expect((await ask('DELETE', `${objects}?prefix=`)).json).toMatchObject({ objects: 1 })
  })

  it('probes, counts, and tells its health', async () => {
    world.origin.set('/a', { body: 'abc' })
    const probed = await ask('POST', '/api/v2/probe', { body: { remote: 'files', path: 'a' } })
    expect(probed.json).toMatchObject({ status: 200, size: 3, class: 'immutable', allowed: true })
    expect((await ask('GET', '/api/v2/stats')).json).toMatchObject({ objects: 0, store: { blobs: 0 } })
    expect((await ask('GET', '/api/v2/health')).json).toMatchObject({ status: 'ok', ready: true })
  })

  it('answers what it does not have with a problem', async () => {
    const answer = await ask('GET', '/api/v2/nothing')
    expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'application/problem+json'])
  })
})

describe('live events', () => {
  async function* textsOf(response: Response): AsyncGenerator<string> {
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield new TextDecoder().decode(value)
    }
  }
  const publish = (path: string) =>
    events.publish({
      kind: 'request',
      requestId: 'r',
      method: 'GET',
      repository: 'files',
      path,
      status: 200,
      outcome: 'hit',
      bytes: 1,
      milliseconds: 2,
    })

  it('arrive as they happen, and end with the server', async () => {
    const response = await fetch(new Request('http://cache.example/api/v2/events'))
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const texts = textsOf(response)
    expect((await texts.next()).value).toContain('retry:')
    publish('a')
    expect((await texts.next()).value).toMatch(/^id: \d+\nevent: request\ndata: \{.*"path":"a".*\}\n\n$/)
    const waiting = texts.next()
    await world.clock.advance(15_000)
    expect((await waiting).value).toBe(': quiet\n\n')
    events.close()
    expect((await texts.next()).done).toBe(true)
  })

  it('tell a watcher that is too slow how many it lost', async () => {
    const response = await fetch(new Request('http://cache.example/api/v2/events'))
    const texts = textsOf(response)
    await texts.next()
    // One page may be taken up before the watcher reads; what follows waits, and overflows.
    for (let i = 0; i < 5; i++) publish(`early${i}`)
    await new Promise(resolve => setTimeout(resolve, 5))
    for (let i = 0; i < 1500; i++) publish(String(i))
    const text = `${(await texts.next()).value}${(await texts.next()).value}`
    expect(text).toContain('event: lost\ndata: {"events":500}')
    expect(text).toContain('"path":"1499"')
  })

  it('are no more collected when the watcher leaves', async () => {
    const response = await fetch(new Request('http://cache.example/api/v2/events'))
    await response.body?.cancel()
    for (let i = 0; i < 200; i++) publish(String(i))
    expect([events.isHeard, world.clock.sleeping]).toEqual([false, 0])
  })
})
