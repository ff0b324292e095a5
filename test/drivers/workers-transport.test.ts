// Inside workerd, where no address can be pinned and no socket be watched: what remains of the contract there.

import { gzipSync } from 'node:zlib'
import type { Miniflare } from 'miniflare'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openRawOrigin, type RawAnswer, type RawOrigin, reply } from '../raw-origin.ts'
import { startWorkerd } from '../workerd.ts'

describe.skipIf('Bun' in globalThis)('Workers fetch (miniflare needs Node)', () => {
  let worker: Miniflare
  let origin: RawOrigin | null = null
  beforeAll(async () => {
    worker = await startWorkerd('test/upstream-worker.mjs', {})
  })
  afterAll(() => worker.dispose())
  afterEach(() => origin?.close())

  async function ask(answer: RawAnswer, wanted: (url: string) => object) {
    origin = await openRawOrigin(answer)
    const body = JSON.stringify(wanted(origin.url))
    return JSON.parse(await (await worker.dispatchFetch('http://worker/', { method: 'POST', body })).text())
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
