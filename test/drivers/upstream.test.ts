// The way out, over real sockets of this machine: public names are mapped to loopback ports below the checks.

import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { connectTo } from '../../src/drivers/connect-to.ts'
import { hopProblem } from '../../src/drivers/hop-failure.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import { createUpstream, type UpstreamTools } from '../../src/drivers/upstream.ts'
import type { UpstreamLimits } from '../../src/drivers/upstream-limits.ts'
import type { Origin } from '../../src/model/origin.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Hop, Resolver, Transport } from '../../src/ports/transport.ts'
import type { Upstream, UpstreamRequest, UpstreamResponse } from '../../src/ports/upstream.ts'
import { openFullPort } from '../full-port.ts'
import { openRawOrigin, type RawAnswer, type RawOrigin, reply } from '../raw-origin.ts'

const cleanup: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of cleanup.splice(0).reverse()) await close()
})

describe('Upstream', () => {
  it('fetches a body with its headers, and says who asks', async () => {
    const { origin, get } = await setUp(socket => socket.write(reply(200, { etag: '"a"' }, 'hello')))
    const answer = await get('/pkg/a%2fb?x=1')
    expect(answer).toMatchObject({ status: 200, url: 'http://files.example/base/pkg/a%2fb?x=1' })
    expect(answer.headers.get('etag')).toBe('"a"')
    expect(await text(answer)).toBe('hello')
    expect(origin.requests[0]).toMatchObject({
      path: '/base/pkg/a%2fb?x=1',
      headers: {
        host: 'files.example',
        accept: '*/*',
        'accept-encoding': 'identity',
        'user-agent': 'artifactapi/1.2.3',
      },
    })
  })

  it('asks for identity whatever the request wants, and hands over an encoded body untouched', async () => {
    const packed = gzipSync('hello '.repeat(500))
    const { origin, get } = await setUp(socket => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${packed.length}\r\n\r\n`)
      socket.write(packed)
    })
    const answer = await get('/x', { headers: { 'Accept-Encoding': 'br' } })
    expect(Buffer.from(await bytes(answer)).equals(packed)).toBe(true)
    expect(answer.headers.get('content-encoding')).toBe('gzip')
    expect(origin.requests[0]?.headers['accept-encoding']).toBe('identity')
  })

  it('has no body for HEAD and 304, and an empty one for an empty file', async () => {
    const { get } = await setUp((socket, { method, path }) => {
      if (method === 'HEAD') socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n')
      else socket.write(path.endsWith('304') ? 'HTTP/1.1 304 Not Modified\r\n\r\n' : reply(200, {}))
    })
    expect((await get('/x', { method: 'HEAD' })).body).toBeNull()
    expect((await get('/304')).body).toBeNull()
    expect(await text(await get('/empty'))).toBe('')
  })

  it('takes 5xx for an answer', async () => {
    const { origin, get } = await setUp(socket => socket.write(reply(503, { 'retry-after': '7' }, 'later')))
    const answer = await get('/x')
    expect([answer.status, await text(answer)]).toEqual([503, 'later'])
    expect(origin.requests).toHaveLength(1)
  })

  it('drops a user name in the URL', async () => {
    const { origin, send } = await setUp(socket => socket.write(reply(200, {})))
    const answer = await send({ url: 'http://u:s3cret@files.example/base/a' })
    expect(answer.url).toBe('http://files.example/base/a')
    expect(origin.requests[0]?.headers.authorization).toBeUndefined()
  })

  describe('keeps to base_url', () => {
    it.each([
      '/../secret',
      '/%2e%2e/secret',
      '/a/../../secret',
      '/a%2f..%2f..%2f../secret',
      '/a%5c..%5c../secret',
      '/.%2e/secret',
      '/a\\..\\..\\secret',
    ])('refuses %s', async path => {
      const { origin, get } = await setUp(socket => socket.write(reply(200, {})))
      await expect(get(path)).rejects.toMatchObject({ code: 'upstream-denied' })
      expect(origin.requests).toHaveLength(0)
    })

    it.each([
      'http://files.example/basement',
      'http://files.example/',
      'https://files.example/base/x',
      'http://files.example:81/base/x',
      'http://other.example/base/x',
      'http://files.example@other.example/base/x',
      'file:///etc/passwd',
    ])('refuses %s as a client would have it', async url => {
      const { send } = await setUp(socket => socket.write(reply(200, {})))
      await expect(send({ url })).rejects.toMatchObject({ code: 'upstream-denied' })
    })

    it('goes elsewhere when the origin itself said so', async () => {
      const { send } = await setUp(socket => socket.write(reply(200, {}, 'there')))
      const answer = await send({ url: 'http://other.example/y', isNamedByOrigin: true })
      expect(await text(answer)).toBe('there')
    })
  })
})

describe('Upstream and redirects', () => {
  it('follows them, relative ones too, and tells where it ended without a query', async () => {
    const { origin, get } = await setUp((socket, { path }) => {
      if (path === '/base/a') socket.write(reply(302, { location: '../b?sig=1' }))
      else if (path === '/b?sig=1')
        socket.write(reply(307, { location: 'http://other.example/c?sig=secret' }))
      else socket.write(reply(200, {}, 'found'))
    })
    const answer = await get('/a')
    expect(answer.url).toBe('http://other.example/c')
    expect(await text(answer)).toBe('found')
    expect(origin.requests.map(request => request.path)).toEqual(['/base/a', '/b?sig=1', '/c?sig=secret'])
  })

  it('uses the connection of a redirect again', async () => {
    const { origin, get } = await setUp((socket, { path }) => {
      if (path === '/base/a') socket.write(reply(302, { location: '/base/b' }, 'moved'.repeat(100)))
      else socket.write(reply(200, {}, 'found'))
    })
    for (let i = 0; i < 5; i++) {
      await text(await get('/a'))
      await delay(20)
    }
    expect(origin.connections).toBeLessThanOrEqual(2)
  })

  it('drops every credential on another host, another port and another scheme', async () => {
    const origin: Partial<Origin> = { username: 'käthe', password: 's3cret', headers: { 'X-Api-Key': 'k3y' } }
    const { origin: wire, send } = await setUp((socket, { headers, path }) => {
      const next = { '/base/a': 'http://files.example:8080/b', '/b': 'http://other.example/c' }[path]
      socket.write(next ? reply(302, { location: next }) : reply(200, {}, JSON.stringify(headers)))
    }, origin)
    await text(
      await send({
        url: 'http://files.example/base/a',
        headers: { cookie: 'c', 'X-API-Key': 'k3y', 'x-harmless': 'h' },
      }),
    )
    const [own, otherPort, otherHost] = wire.requests.map(request => request.headers)
    expect(own).toMatchObject({
      authorization: `Basic ${Buffer.from('käthe:s3cret').toString('base64')}`,
      'x-api-key': 'k3y',
      cookie: 'c',
    })
    for (const headers of [otherPort, otherHost]) {
      expect(Object.keys(headers ?? {})).not.toContain('authorization')
      expect(Object.keys(headers ?? {})).not.toContain('x-api-key')
      expect(Object.keys(headers ?? {})).not.toContain('cookie')
      expect(headers?.['x-harmless']).toBe('h')
    }
  })

  it('gives credentials back when the way leads home again', async () => {
    const { origin: wire, get } = await setUp(
      (socket, { path }) => {
        const next = { '/base/a': 'http://other.example/b', '/b': 'http://files.example/base/c' }[path]
        socket.write(next ? reply(302, { location: next }) : reply(200, {}, 'home'))
      },
      { username: 'u', password: 'p' },
    )
    await text(await get('/a'))
    expect(wire.requests.map(request => 'authorization' in request.headers)).toEqual([true, false, true])
  })

  it('keeps a user name in a Location out of the request', async () => {
    const { origin, get } = await setUp((socket, { path }) =>
      socket.write(
        path === '/base/a' ? reply(302, { location: 'http://eve:pw@other.example/b' }) : reply(200, {}),
      ),
    )
    expect((await get('/a')).url).toBe('http://other.example/b')
    expect(origin.requests[1]?.headers.authorization).toBeUndefined()
  })

  it.each([
    ['a circle', (path: string) => (path === '/base/a' ? '/base/b' : '/base/a'), 'circle'],
    ['a sixth one', (path: string) => (path.endsWith('axxxxxx') ? null : `${path}x`), 'more than 5'],
  ])('gives up on %s, naming the hosts', async (_title, next, words) => {
    const { get } = await setUp((socket, { path }) => {
      const location = next(path)
      socket.write(location === null ? reply(200, {}, 'end') : reply(302, { location }))
    })
    await expect(get('/a')).rejects.toMatchObject({
      code: 'upstream-broken',
      message: expect.stringContaining(words),
      detail: { hosts: expect.arrayContaining(['files.example']) },
    })
  })

  it('follows five', async () => {
    const { get } = await setUp((socket, { path }) =>
      socket.write(path.endsWith('axxxxx') ? reply(200, {}, 'end') : reply(302, { location: `${path}x` })),
    )
    expect(await text(await get('/a'))).toBe('end')
  })

  it('calls a redirect to nowhere broken', async () => {
    const { get } = await setUp(socket => socket.write(reply(302, {})))
    await expect(get('/a')).rejects.toMatchObject({ code: 'upstream-broken' })
  })

  it('refuses to fall from https to http, and to leave http(s)', async () => {
    const transport = scripted(hop => (hop.url.endsWith('/a') ? redirect('http://other.example/b') : ok()))
    const upstream = openUpstream({ transport })
    const origin = { ...ORIGIN, baseUrl: 'https://files.example/base' }
    await expect(
      upstream.send({ url: 'https://files.example/base/a', method: 'GET', origin }),
    ).rejects.toMatchObject({
      code: 'upstream-denied',
      message: expect.stringContaining('https to http'),
    })
    const away = openUpstream({ transport: scripted(() => redirect('ftp://other.example/b')) })
    await expect(
      away.send({ url: 'http://files.example/base/a', method: 'GET', origin: ORIGIN }),
    ).rejects.toMatchObject({
      code: 'upstream-denied',
    })
  })

  it.each<[string, Origin['allowedHosts'], string, boolean]>([
    ['same', 'same', 'http://other.example/b', false],
    ['same, own host', 'same', 'http://files.example/b', true],
    ['same, other port', 'same', 'http://files.example:8080/b', false],
    ['a name', ['other.example'], 'http://other.example/b', true],
    ['a name in capitals', ['OTHER.example'], 'http://other.example/b', true],
    ['another name', ['third.example'], 'http://other.example/b', false],
    ['a name that only ends alike', ['ther.example'], 'http://other.example/b', false],
    ['a wildcard', ['*.example'], 'http://other.example/b', true],
    ['a wildcard for what it does not cover', ['*.other.example'], 'http://other.example/b', false],
    ['a name with its port', ['files.example:8080'], 'http://files.example:8080/b', true],
    ['a name with another port', ['other.example:8080'], 'http://other.example/b', false],
    ['any', 'any', 'http://other.example/b', true],
  ])('follows allowed_hosts: %s', async (_title, allowedHosts, location, isAllowed) => {
    const { origin, get } = await setUp(
      (socket, { path }) =>
        socket.write(path === '/base/a' ? reply(302, { location }) : reply(200, {}, 'ok')),
      { allowedHosts },
    )
    if (isAllowed) expect(await text(await get('/a'))).toBe('ok')
    else await expect(get('/a')).rejects.toMatchObject({ code: 'upstream-denied' })
    expect(origin.requests).toHaveLength(isAllowed ? 2 : 1)
  })
})

describe('Upstream and addresses', () => {
  it.each([
    'http://127.0.0.1/b',
    'http://2130706433/b',
    'http://0x7f.1/b',
    'http://[::1]/b',
    'http://[::ffff:10.0.0.1]/b',
    'http://169.254.169.254/latest/meta-data',
    'http://0.0.0.0/b',
    'http://intranet.example/b',
  ])('refuses a redirect of a public origin to %s', async location => {
    const { hops, upstream } = guarded({ 'intranet.example': ['10.0.0.7'] }, location)
    await expect(upstream.send(request())).rejects.toMatchObject({ code: 'upstream-denied' })
    expect(hops).toHaveLength(1)
  })

  it('lets a private origin lead to private addresses, but not to link-local ones', async () => {
    const names = {
      'files.example': ['10.0.0.1'],
      'intranet.example': ['10.0.0.7'],
      'meta.example': ['169.254.169.254'],
    }
    const near = guarded(names, 'http://intranet.example/b')
    expect((await near.upstream.send(request())).status).toBe(200)
    expect(near.hops.map(hop => hop.address?.ip)).toEqual(['10.0.0.1', '10.0.0.7'])
    const meta = guarded(names, 'http://meta.example/b')
    await expect(meta.upstream.send(request())).rejects.toMatchObject({ code: 'upstream-denied' })
  })

  it('reaches a link-local base_url only when it is written as that address', async () => {
    const { hops, upstream } = guarded({ 'files.example': ['169.254.169.254'] }, null)
    await expect(upstream.send(request())).rejects.toMatchObject({ code: 'upstream-denied' })
    const origin = { ...ORIGIN, baseUrl: 'http://169.254.169.254/base' }
    await upstream.send({ ...request(), origin, url: 'http://169.254.169.254/base/a' })
    expect(hops.map(hop => hop.address?.ip)).toEqual(['169.254.169.254'])
  })

  it('resolves a name once for each hop and dials what it checked', async () => {
    const asked: string[] = []
    const resolver: Resolver = async host => {
      asked.push(host)
      const isFirst = asked.filter(name => name === host).length === 1
      return isFirst ? ['93.184.216.35'] : ['10.0.0.7']
    }
    const hops: Hop[] = []
    const transport = scripted(hop => {
      hops.push(hop)
      return hop.url.endsWith('/a') ? redirect('http://rebind.example/b') : ok()
    })
    await openUpstream({ transport, resolver }).send(request())
    expect(asked).toEqual(['files.example', 'rebind.example'])
    expect(hops.map(hop => hop.address?.ip)).toEqual(['93.184.216.35', '93.184.216.35'])
  })

  it('uses only the public ones among the addresses of a name', async () => {
    const { hops, upstream } = guarded(
      { 'mixed.example': ['10.0.0.7', '93.184.216.40'] },
      'http://mixed.example/b',
    )
    await upstream.send(request())
    expect(hops[1]?.address?.ip).toBe('93.184.216.40')
  })

  it('does not let an origin turn private to open private addresses', async () => {
    // Its first hop was dialled at a public address: what its name says later counts no more.
    let asked = 0
    const resolver: Resolver = async host => {
      if (host === 'intranet.example') return ['10.0.0.7']
      return asked++ === 0 ? ['93.184.216.35'] : ['10.0.0.1']
    }
    const transport = scripted(hop => (hop.url.endsWith('/a') ? redirect('http://intranet.example/b') : ok()))
    await expect(openUpstream({ transport, resolver }).send(request())).rejects.toMatchObject({
      code: 'upstream-denied',
    })
  })

  it('does not follow its name into a private network half-way', async () => {
    let asked = 0
    const resolver: Resolver = async () => (asked++ === 0 ? ['93.184.216.35'] : ['10.0.0.1'])
    const transport = scripted(hop =>
      hop.url.endsWith('/a') ? redirect('http://files.example/base/b') : ok(),
    )
    await expect(openUpstream({ transport, resolver }).send(request())).rejects.toMatchObject({
      code: 'upstream-denied',
    })
  })

  it('checks what the origin names in its documents, too', async () => {
    const { hops, upstream } = guarded({ 'intranet.example': ['10.0.0.7'] }, null)
    const named = { ...request(), url: 'http://intranet.example/x', isNamedByOrigin: true }
    await expect(upstream.send(named)).rejects.toMatchObject({ code: 'upstream-denied' })
    expect(hops).toHaveLength(0)
  })

  it('checks literals where a proxy or the platform resolves names', async () => {
    const transport = scripted(hop => (hop.url.endsWith('/a') ? redirect('http://localhost/b') : ok()))
    const platform = openUpstream({ transport, resolver: null })
    await expect(platform.send(request())).rejects.toMatchObject({ code: 'upstream-denied' })
    const proxied = { ...request(), origin: { ...ORIGIN, proxy: 'http://proxy.example:3128' } }
    await expect(openUpstream({ transport }).send(proxied)).rejects.toMatchObject({ code: 'upstream-denied' })
  })
})

describe('Upstream and trouble', () => {
  it('tries again when the connection closes before an answer, twice at most', async () => {
    let seen = 0
    const { get } = await setUp(socket =>
      ++seen < 3 ? socket.destroy() : socket.write(reply(200, {}, 'at last')),
    )
    expect(await text(await get('/x'))).toBe('at last')
    const { origin, get: getDead } = await setUp(socket => socket.destroy())
    await expect(getDead('/x')).rejects.toMatchObject({ code: 'upstream-broken' })
    expect(origin.requests).toHaveLength(3)
  })

  it('calls a refused connection, an unknown name and bad TLS unreachable', async () => {
    const { origin, get } = await setUp(() => {})
    await origin.close()
    await expect(get('/x')).rejects.toMatchObject({ code: 'upstream-unreachable' })
    const resolver: Resolver = async () => {
      throw Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' })
    }
    await expect(openUpstream({ transport: scripted(ok), resolver }).send(request())).rejects.toMatchObject({
      code: 'upstream-unreachable',
      detail: { failure: 'unknown-name' },
    })
  })

  it('asks for a name again when the resolver was in trouble', async () => {
    let asked = 0
    const resolver: Resolver = async () => {
      if (++asked < 3) throw Object.assign(new Error('getaddrinfo'), { code: 'EAI_AGAIN' })
      return ['93.184.216.35']
    }
    expect((await openUpstream({ transport: scripted(ok), resolver }).send(request())).status).toBe(200)
  })

  it('stops waiting for a resolver that does not answer', async () => {
    const resolver: Resolver = () => new Promise(() => {})
    const upstream = openUpstream({ transport: scripted(ok), resolver }, { connectMs: 50 })
    await expect(upstream.send(request())).rejects.toMatchObject({ code: 'upstream-timeout' })
  })

  it.each([
    ['refused', 3],
    ['reset', 3],
    ['slow-connect', 1],
    ['tls', 1],
    ['malformed', 1],
  ] as const)('after %s sends %i requests in all', async (failure, count) => {
    let sent = 0
    const transport = scripted(hop => {
      sent++
      throw hopProblem(hop.url, failure)
    })
    await expect(openUpstream({ transport }).send(request())).rejects.toThrow()
    expect(sent).toBe(count)
  })

  it('tries the next address when one does not pick up', async () => {
    const transport = scripted(hop => {
      if (hop.address?.ip === '93.184.216.35') throw hopProblem(hop.url, 'slow-connect')
      return ok()
    })
    const resolver: Resolver = async () => ['93.184.216.35', '93.184.216.36']
    expect((await openUpstream({ transport, resolver }).send(request())).status).toBe(200)
  })

  it('calls a connection that is never made a timeout', async () => {
    const port = await openFullPort()
    cleanup.push(port.close)
    const routes = new Map([['files.example:80', `127.0.0.1:${port.port}`]])
    const upstream = openUpstream(
      { ...connectTo(routes, noNames), transport: await openTransport() },
      { connectMs: 300 },
    )
    await expect(upstream.send(request())).rejects.toMatchObject({ code: 'upstream-timeout' })
  })

  it('stops waiting for headers, without a second try', async () => {
    const { origin, get } = await setUp(() => {}, {}, { firstByteMs: 150 })
    await expect(get('/x')).rejects.toMatchObject({ code: 'upstream-timeout' })
    expect(origin.requests).toHaveLength(1)
    await until(() => origin.sockets.size === 0)
  })

  it('stops waiting for a body that stalls', async () => {
    const { origin, get } = await setUp(
      socket => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello'),
      {},
      { idleMs: 150 },
    )
    const answer = await get('/x')
    await expect(text(answer)).rejects.toMatchObject({ code: 'upstream-timeout' })
    await until(() => origin.sockets.size === 0)
  })

  it('does not blame the origin for a slow reader', async () => {
    const { get } = await setUp(
      async socket => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello')
        await delay(50)
        socket.write('world')
      },
      {},
      { idleMs: 120 },
    )
    const reader = (await get('/x')).body?.getReader()
    await delay(300)
    expect(Buffer.from((await reader?.read())?.value ?? []).length).toBeGreaterThan(0)
    await delay(300)
    expect((await reader?.read())?.done).toBeDefined()
  })

  it('lets a body drip as long as it comes', async () => {
    const { get } = await setUp(
      async socket => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n')
        for (let i = 0; i < 10; i++) {
          await delay(40)
          socket.write('x')
        }
      },
      {},
      { idleMs: 200 },
    )
    expect(await text(await get('/x'))).toBe('xxxxxxxxxx')
  })

  it.each<[string, RawAnswer]>([
    ['is cut', socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello')],
    [
      'is reset',
      socket => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello')
        setTimeout(() => socket.resetAndDestroy(), 50)
      },
    ],
    [
      'is cut between chunks',
      socket => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n'),
    ],
    [
      'is cut within a chunk',
      socket => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhello'),
    ],
  ])('fails a body that %s', async (_title, answer) => {
    const { get } = await setUp(answer)
    await expect(get('/x').then(text)).rejects.toMatchObject({ code: 'upstream-broken' })
  })

  it.each([
    ['fewer', 'hell'],
    ['more', 'hello!'],
  ])('fails a body of %s bytes than declared, should the transport let it pass', async (_title, body) => {
    const transport = scripted(() => ({
      ...ok(),
      headers: new Headers({ 'content-length': '5' }),
      body: streamOf(body),
    }))
    const answer = await openUpstream({ transport }).send(request())
    await expect(text(answer)).rejects.toMatchObject({ code: 'upstream-broken' })
  })

  it('frees the connection when the body is cancelled, and when the request is', async () => {
    const { origin, get } = await setUp(socket =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\nhello'),
    )
    const answer = await get('/x')
    await answer.body?.cancel()
    await until(() => origin.sockets.size === 0)
    const abort = new AbortController()
    const other = await get('/x', { signal: abort.signal })
    const all = text(other)
    all.catch(() => {})
    abort.abort()
    await expect(all).rejects.toMatchObject({ code: 'cancelled' })
    await until(() => origin.sockets.size === 0)
  })

  it('says "cancelled" when its caller leaves before the headers', async () => {
    const { origin, get } = await setUp(() => {})
    const abort = new AbortController()
    const answer = get('/x', { signal: abort.signal })
    answer.catch(() => {})
    await until(() => origin.requests.length === 1)
    abort.abort()
    await expect(answer).rejects.toMatchObject({ code: 'cancelled' })
    await until(() => origin.sockets.size === 0)
  })

  it('holds back who comes when an origin has its hands full, until a body ends', async () => {
    const { origin, get } = await setUp(
      socket => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nhello'),
      {},
      { inFlight: 2, queueMs: 100 },
    )
    const [first] = await Promise.all([get('/1'), get('/2')])
    await expect(get('/3')).rejects.toMatchObject({ code: 'upstream-busy' })
    expect(origin.requests).toHaveLength(2)
    await first?.body?.cancel()
    expect((await get('/4')).status).toBe(200)
  })

  it('gives its place back after a failure', async () => {
    const { get } = await setUp(socket => socket.destroy(), {}, { inFlight: 1, queueMs: 100 })
    for (let i = 0; i < 3; i++) await expect(get('/x')).rejects.toMatchObject({ code: 'upstream-broken' })
  })

  it('names neither credentials nor queries in errors and logs', async () => {
    const lines: string[] = []
    const { get } = await setUp(
      (socket, { path }) => {
        if (path === '/base/a?q=s3cret')
          socket.write(reply(302, { location: 'http://u:s3cret@other.example/b?sig=s3cret' }))
        else socket.destroy()
      },
      { username: 'u', password: 's3cret', headers: { 'x-key': 's3cret' } },
      {},
      lines,
    )
    const error = await get('/a?q=s3cret').catch(reason => reason)
    expect(error.message).toContain('http://other.example/b')
    expect(lines.length).toBeGreaterThan(0)
    expect(JSON.stringify([error.message, error.detail, String(error.cause), lines])).not.toContain('s3cret')
  })
})

const ORIGIN: Origin = {
  repository: 'files',
  baseUrl: 'http://files.example/base',
  headers: {},
  allowedHosts: 'any',
}

/** One raw origin behind the names files.example and other.example, on ports 80 and 8080. */
async function setUp(
  answer: RawAnswer,
  change: Partial<Origin> = {},
  limits: Partial<UpstreamLimits> = {},
  lines: string[] = [],
) {
  const wire: RawOrigin = await openRawOrigin(answer)
  cleanup.push(wire.close)
  const target = `127.0.0.1:${wire.port}`
  const names = ['files.example:80', 'files.example:8080', 'other.example:80']
  const routes = new Map(names.map(name => [name, target]))
  const transport = await openTransport()
  const upstream = openUpstream({ transport, ...connectTo(routes, noNames), log: keepLines(lines) }, limits)
  const origin = { ...ORIGIN, ...change }
  const send = (wanted: Partial<UpstreamRequest>) => upstream.send({ ...request(), origin, ...wanted })
  const get = (path: string, wanted: Partial<UpstreamRequest> = {}) =>
    send({ url: `${origin.baseUrl}${path}`, ...wanted })
  return { origin: wire, send, get }
}

/** An upstream whose names resolve as given (else publicly), to a transport that redirects once and dials nobody. */
function guarded(names: Record<string, string[]>, location: string | null) {
  const hops: Hop[] = []
  const transport = scripted(hop => {
    hops.push(hop)
    return hops.length === 1 && location !== null ? redirect(location) : ok()
  })
  const resolver: Resolver = async host => names[host] ?? ['93.184.216.35']
  return { hops, upstream: openUpstream({ transport, resolver }) }
}

function openUpstream(
  tools: Pick<UpstreamTools, 'transport'> & Partial<UpstreamTools>,
  limits: Partial<UpstreamLimits> = {},
): Upstream {
  return createUpstream({
    resolver: async () => ['93.184.216.35'],
    clock: createSystemClock(),
    log: keepLines([]),
    version: '1.2.3',
    ...tools,
    limits: { retryFromMs: 1, retryToMs: 5, ...limits },
  })
}

async function openTransport(): Promise<Transport> {
  // Names in variables: each is typed in its own runtime's world.
  const room =
    'Bun' in globalThis
      ? '../../runtimes/bun/fetch-transport.ts'
      : '../../runtimes/shared/undici-transport.ts'
  const { createFetchTransport, createUndiciTransport } = await import(room)
  const transport: Transport = (createFetchTransport ?? createUndiciTransport)()
  cleanup.push(transport.close)
  return transport
}

function request(): UpstreamRequest {
  return { url: 'http://files.example/base/a', method: 'GET', origin: ORIGIN }
}

type Scripted = { status: number; headers: Headers; body: ReadableStream<Uint8Array> | null }

function scripted(answer: (hop: Hop) => Scripted): Transport {
  return { send: async hop => answer(hop), close: async () => {} }
}

function ok(): Scripted {
  return { status: 200, headers: new Headers(), body: null }
}

function redirect(location: string): Scripted {
  return { status: 302, headers: new Headers({ location }), body: null }
}

const noNames: Resolver = async () => []

function keepLines(lines: string[]): Log {
  const keep = (msg: string, fields?: unknown) => void lines.push(`${msg} ${JSON.stringify(fields)}`)
  return { debug: keep, info: keep, warn: keep, error: keep, line: keep, flush() {} }
}

function streamOf(body: string): ReadableStream<Uint8Array> {
  return new Response(body).body as ReadableStream<Uint8Array> // a text is never null
}

async function bytes(answer: UpstreamResponse): Promise<ArrayBuffer> {
  const parts: Uint8Array[] = []
  if (answer.body !== null) for await (const part of answer.body) parts.push(part)
  return Uint8Array.from(Buffer.concat(parts)).buffer
}

async function text(answer: UpstreamResponse): Promise<string> {
  return Buffer.from(await bytes(answer)).toString()
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !isTrue(); i++) await delay(10)
  expect(isTrue()).toBe(true)
}
