// Inside workerd, where no address can be pinned and no socket be watched: what remains of the contract there.

import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { Miniflare } from 'miniflare'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { openRawOrigin, type RawAnswer, type RawOrigin, reply } from '../raw-origin.ts'
import { startWorkerd } from '../workerd.ts'

describe.skipIf('Bun' in globalThis)('Workers fetch (miniflare needs Node)', () => {
  let worker: Miniflare
  let origin: RawOrigin | null = null
  const takers: Server[] = []
  beforeAll(async () => {
    worker = await startWorkerd('test/upstream-worker.mjs', {})
  })
  afterAll(() => worker.dispose())
  afterEach(async () => {
    await origin?.close()
    for (const taker of takers.splice(0)) {
      taker.closeAllConnections()
      taker.close()
    }
  })

  async function ask(answer: RawAnswer, wanted: (url: string) => object) {
    origin = await openRawOrigin(answer)
    return send(wanted(origin.url))
  }

  it('hands over an encoded body byte for byte', async () => {
    const packed = gzipSync('hello '.repeat(1000))
    const answer = await ask(
      socket => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${packed.length}\r\n\r\n`)
        socket.write(packed)
      },
      url => ({ hop: hopTo(url) }),
    )
    expect(answer.headers['content-encoding']).toBe('gzip')
    expect(Buffer.from(answer.body).equals(packed)).toBe(true)
  })

  it('keeps an encoded slash and follows no redirect', async () => {
    const answer = await ask(
      socket => socket.write(reply(302, { location: '/other%2f' })),
      url => ({ hop: hopTo(`${url}/a%2fb?x=%2f`) }),
    )
    expect([answer.status, answer.headers.location]).toEqual([302, '/other%2f'])
    expect(origin?.requests.map(request => request.path)).toEqual(['/a%2fb?x=%2f'])
  })

  it.each(['ca', 'proxy'])('has no %s', async key => {
    const answer = await ask(
      () => {},
      url => ({ hop: { ...hopTo(url), [key]: 'http://x.example' } }),
    )
    expect(answer.problem.code).toBe('settings-invalid')
  })

  describe('sends a body', () => {
    const headers = { 'content-length': '1000000' }

    it.each([
      ['PUT', 'bytes'],
      ['POST', 'bytes'],
      ['PUT', 'a stream'],
      ['POST', 'a stream'],
    ])('with %s, as %s', async (method, kind) => {
      const { url, taken } = await openTaker()
      const isStream = kind === 'a stream'
      const hop = { ...hopTo(url), method, headers: isStream ? headers : {} }
      const answer = await send({ hop, sends: { bytes: 1_000_000, isStream } })
      expect([answer.status, Buffer.from(answer.body).toString()]).toEqual([200, 'taken'])
      const [request] = taken
      expect(request?.headers).toMatchObject(headers)
      expect(request?.headers['transfer-encoding']).toBeUndefined()
      expect([request?.method, request?.body.length]).toEqual([method, 1_000_000])
      expect(request?.body.every((byte, at) => byte === at % 251)).toBe(true)
    })

    it('and fails the exchange when its stream fails', async () => {
      const { url, taken, cutShort } = await openTaker()
      const hop = { ...hopTo(url), method: 'PUT', headers }
      const { problem } = await send({ hop, sends: { bytes: 1_000_000, isStream: true, failAt: 200_000 } })
      expect(problem.message).toMatch(/^Cannot fetch /)
      await vi.waitFor(() => expect(cutShort()).toBe(1))
      expect(taken).toEqual([])
    })

    it('no faster than it is taken, and lets go of it when told to give up', async () => {
      const { url, cutShort } = await openTaker({ isStalled: true })
      const hop = { ...hopTo(url), method: 'PUT', headers: { 'content-length': '1000000000' } }
      const sends = { bytes: 1_000_000_000, isStream: true, leaveAfterMs: 500 }
      const { problem, seen } = await send({ hop, sends })
      expect(problem.message).toMatch(/^Cannot fetch /)
      expect(seen.pulled).toBeLessThan(64_000_000)
      expect(seen.isLetGo).toBe(true)
      await vi.waitFor(() => expect(cutShort()).toBe(1), 5_000)
    })

    it('none, where there is none', async () => {
      const { url, taken } = await openTaker()
      for (const method of ['PUT', 'POST', 'DELETE']) await send({ hop: { ...hopTo(url), method } })
      expect(taken.map(({ method, body }) => [method, body.length])).toEqual([
        ['PUT', 0],
        ['POST', 0],
        ['DELETE', 0],
      ])
    })
  })

  async function send(wanted: object) {
    const body = JSON.stringify(wanted)
    return JSON.parse(await (await worker.dispatchFetch('http://worker/', { method: 'POST', body })).text())
  }

  /** Takes whole requests and says so; counts those that were cut short. */
  async function openTaker({ isStalled = false } = {}) {
    const taken: { method: string; headers: IncomingHttpHeaders; body: Buffer }[] = []
    let cut = 0
    const server = createServer(async (request, response) => {
      request.socket.once('close', () => (request.complete ? null : cut++))
      request.on('error', () => {})
      // A socket that nobody reads hears of no end.
      if (isStalled) return void setTimeout(() => request.resume(), 800)
      const chunks: Buffer[] = []
      try {
        for await (const chunk of request) chunks.push(chunk)
      } catch {
        return // cut short
      }
      const { method = '', headers } = request
      taken.push({ method, headers, body: Buffer.concat(chunks) })
      response.end('taken')
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    takers.push(server)
    const { port } = server.address() as AddressInfo // it listens on a port
    return { url: `http://127.0.0.1:${port}`, taken, cutShort: () => cut }
  }

  it('carries the way out: redirects by hand, credentials at home', async () => {
    const answer = await ask(
      (socket, { path, headers }) =>
        socket.write(
          path === '/base/a'
            ? reply(302, { location: `http://localhost:${headers.host?.split(':')[1]}/b` })
            : reply(200, {}, 'found'),
        ),
      url => ({ request: requestTo(url) }),
    )
    expect(Buffer.from(answer.body).toString()).toBe('found')
    expect(origin?.requests.map(request => 'authorization' in request.headers)).toEqual([true, false])
    expect(origin?.requests[0]?.headers['accept-encoding']).toBe('identity')
  })

  it.each<[string, RawAnswer, string]>([
    [
      'a cut body',
      socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello'),
      'upstream-broken',
    ],
    [
      'a cut chunk',
      socket => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhello'),
      'upstream-broken',
    ],
    ['no headers', () => {}, 'upstream-timeout'],
    [
      'a stalled body',
      socket => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello'),
      'upstream-timeout',
    ],
  ])('fails with %s', async (_title, answer, code) => {
    const limits = { firstByteMs: 300, idleMs: 300 }
    const { problem } = await ask(answer, url => ({ request: requestTo(url), limits }))
    expect(problem.code).toBe(code)
  })
})

function hopTo(url: string) {
  return { url, method: 'GET', headers: {}, address: null, connectMs: 1000, headerLimitBytes: 65_536 }
}

function requestTo(url: string) {
  const baseUrl = `${url}/base`
  const origin = { repository: 'r', baseUrl, headers: {}, allowedHosts: 'any', username: 'u', password: 'p' }
  return { url: `${baseUrl}/a`, method: 'GET', origin }
}
