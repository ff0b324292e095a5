// What every transport must do, whatever client it is made of.

import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import type { Problem } from '../../src/model/problem.ts'
import type { Hop, Transport } from '../../src/ports/transport.ts'
import { openFullPort } from '../full-port.ts'
import { openRawOrigin, type RawAnswer, type RawOrigin, type RawOriginOptions, reply } from '../raw-origin.ts'
import { createAuthority } from '../throwaway-certificates.ts'

export function describeTransport(name: string, open: () => Promise<Transport>): void {
  describe(`Transport contract: ${name}`, () => {
    const cleanup: (() => Promise<unknown>)[] = []
    afterEach(async () => {
      for (const close of cleanup.splice(0).reverse()) await close()
    })

    async function setUp(answer: RawAnswer, options?: RawOriginOptions) {
      const origin = await openRawOrigin(answer, options)
      cleanup.push(origin.close)
      const transport = await open()
      cleanup.push(transport.close)
      return { origin, transport }
    }

    it('sends the path, the host and the headers as given, to the address as given', async () => {
      const { origin, transport } = await setUp(socket => socket.write(reply(200, {}, 'hello')))
      const url = `http://files.example:8080/a%2fb//c%20d?x=%2f`
      const answer = await transport.send(hopTo(origin, { url, headers: { 'x-mine': 'yes' } }))
      expect(answer.status).toBe(200)
      expect(await text(answer.body)).toBe('hello')
      expect(origin.requests[0]?.path).toBe('/a%2fb//c%20d?x=%2f')
      expect(origin.requests[0]?.headers).toMatchObject({ host: 'files.example:8080', 'x-mine': 'yes' })
    })

    it('hands over an encoded body byte for byte, with its header', async () => {
      const packed = gzipSync('hello '.repeat(1000))
      const { origin, transport } = await setUp(socket => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${packed.length}\r\n\r\n`)
        socket.write(packed)
      })
      const answer = await transport.send(hopTo(origin))
      expect(answer.headers.get('content-encoding')).toBe('gzip')
      expect(answer.headers.get('content-length')).toBe(String(packed.length))
      expect(Buffer.from(await bytes(answer.body)).equals(packed)).toBe(true)
    })

    it('follows no redirect', async () => {
      const { origin, transport } = await setUp(socket => socket.write(reply(302, { location: '/other%2f' })))
      const answer = await transport.send(hopTo(origin))
      expect([answer.status, answer.headers.get('location')]).toEqual([302, '/other%2f'])
      expect(origin.requests).toHaveLength(1)
    })

    it('skips interim answers', async () => {
      const { origin, transport } = await setUp(socket => {
        socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${reply(200, {}, 'ok')}`)
      })
      const answer = await transport.send(hopTo(origin))
      expect([answer.status, await text(answer.body)]).toEqual([200, 'ok'])
    })

    it('answers HEAD with the length and no bytes', async () => {
      const { origin, transport } = await setUp(socket =>
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n'),
      )
      const answer = await transport.send(hopTo(origin, { method: 'HEAD' }))
      expect(answer.headers.get('content-length')).toBe('5000')
      expect(await text(answer.body)).toBe('')
    })

    it('uses a connection again', async () => {
      const { origin, transport } = await setUp(socket => socket.write(reply(200, {}, 'hello')))
      for (let i = 0; i < 5; i++) {
        await text((await transport.send(hopTo(origin))).body)
        await delay(20)
      }
      expect(origin.connections).toBe(1)
    })

    it('fails a body that ends before its length', async () => {
      const { origin, transport } = await setUp(socket =>
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello'),
      )
      await expect(transport.send(hopTo(origin)).then(answer => text(answer.body))).rejects.toThrow()
    })

    it('fails a chunked body that is cut', async () => {
      const { origin, transport } = await setUp(socket =>
        socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n'),
      )
      await expect(transport.send(hopTo(origin)).then(answer => text(answer.body))).rejects.toThrow()
    })

    it('reads no faster than it is pulled, and frees the connection when the body is cancelled', async () => {
      let written = 0
      const { origin, transport } = await setUp(socket => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n')
        const chunk = Buffer.alloc(64 * 1024)
        const push = () => {
          while (!socket.destroyed && written < 1e9) {
            written += chunk.length
            if (!socket.write(chunk)) return socket.once('drain', push)
          }
        }
        push()
      })
      const answer = await transport.send(hopTo(origin))
      await delay(500)
      expect(written).toBeLessThan(64e6)
      await answer.body?.cancel()
      await until(() => origin.sockets.size === 0)
    })

    it('gives up when told to before the headers, and frees the connection', async () => {
      const { origin, transport } = await setUp(() => {})
      const abort = new AbortController()
      const answer = transport.send(hopTo(origin, { signal: abort.signal }))
      answer.catch(() => {})
      await until(() => origin.requests.length === 1)
      abort.abort(new Error('enough'))
      await expect(answer).rejects.toThrow()
      await until(() => origin.sockets.size === 0)
    })

    it('fails the body when told to give up in the middle of it, and frees the connection', async () => {
      const { origin, transport } = await setUp(socket =>
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello'),
      )
      const abort = new AbortController()
      const answer = await transport.send(hopTo(origin, { signal: abort.signal }))
      const all = text(answer.body)
      all.catch(() => {})
      await delay(50)
      abort.abort(new Error('enough'))
      await expect(all).rejects.toThrow()
      await until(() => origin.sockets.size === 0)
    })

    describe('says why no headers came', () => {
      it.each([
        ['reset', 'closed at once', (socket: { destroy(): void }) => socket.destroy()],
        [
          'malformed',
          'no HTTP',
          (socket: { end(text: string): void }) => socket.end('NOT HTTP AT ALL\r\n\r\n'),
        ],
        ['malformed', '100,000 headers', flood],
        [
          'malformed',
          'a header of 200 KB',
          (socket: { end(text: string): void }) => socket.end(reply(200, { 'x-long': 'a'.repeat(200_000) })),
        ],
      ])('%s: %s', async (failure, _title, answer) => {
        const { origin, transport } = await setUp(answer)
        expect(await failureOf(transport.send(hopTo(origin)))).toBe(failure)
      })

      it('refused: nobody listens', async () => {
        const { origin, transport } = await setUp(() => {})
        await origin.close()
        expect(await failureOf(transport.send(hopTo(origin)))).toBe('refused')
      })

      it('tls: the other side speaks none', async () => {
        const { origin, transport } = await setUp(() => {})
        const plain = createServer(socket =>
          socket
            .on('error', () => {})
            .resume()
            .end('220 no TLS here\r\n'),
        )
        cleanup.push(() => new Promise(resolve => plain.close(resolve)))
        await new Promise<void>(resolve => plain.listen(0, '127.0.0.1', resolve))
        const address = { ip: '127.0.0.1', port: (plain.address() as AddressInfo).port } // it listens on a port
        const hop = hopTo(origin, { url: 'https://files.example/', address })
        expect(await failureOf(transport.send(hop))).toBe('tls')
      })

      it('slow-connect: nobody picks up', async () => {
        const port = await openFullPort()
        cleanup.push(port.close)
        const transport = await open()
        cleanup.push(transport.close)
        const address = { ip: '127.0.0.1', port: port.port }
        const startedAt = performance.now()
        const hop = hopTo(
          { port: port.port, url: `http://127.0.0.1:${port.port}` },
          { address, connectMs: 400 },
        )
        expect(await failureOf(transport.send(hop))).toBe('slow-connect')
        expect(performance.now() - startedAt).toBeLessThan(3_000)
      })
    })

    it('accepts 60 KB of headers', async () => {
      const { origin, transport } = await setUp(socket =>
        socket.write(reply(200, { 'x-long': 'a'.repeat(60_000) }, 'ok')),
      )
      expect((await transport.send(hopTo(origin))).headers.get('x-long')).toHaveLength(60_000)
    })

    it('waits longer than the connect deadline for headers once it is connected', async () => {
      const { origin, transport } = await setUp(socket => {
        setTimeout(() => socket.write(reply(200, {}, 'late')), 700)
      })
      expect(await text((await transport.send(hopTo(origin, { connectMs: 200 }))).body)).toBe('late')
    })

    it('trusts an authority it is given, for the right host name only', async () => {
      const authority = createAuthority()
      const { origin, transport } = await setUp(socket => socket.write(reply(200, {}, 'secret')), {
        tls: authority.issue('files.example'),
      })
      const url = 'https://files.example/x'
      const known = await transport.send(hopTo(origin, { url, ca: authority.ca }))
      expect(await text(known.body)).toBe('secret')
      expect(await failureOf(transport.send(hopTo(origin, { url })))).toBe('tls')
      const other = hopTo(origin, { url: 'https://other.example/x', ca: authority.ca })
      expect(await failureOf(transport.send(other))).toBe('tls')
    })

    it('goes through a proxy, plainly for http', async () => {
      const { origin, transport } = await setUp(socket => socket.write(reply(200, {}, 'by proxy')))
      const hop = hopTo(origin, { url: 'http://files.example/x?y', proxy: origin.url, address: null })
      expect(await text((await transport.send(hop)).body)).toBe('by proxy')
      expect(origin.requests[0]).toMatchObject({
        method: 'GET',
        path: 'http://files.example/x?y',
        headers: { host: 'files.example' },
      })
    })

    it('goes through a proxy, in a tunnel for https', async () => {
      const authority = createAuthority()
      const { origin, transport } = await setUp(socket => socket.write(reply(200, {}, 'tunnelled')), {
        tls: authority.issue('files.example'),
      })
      const proxy = await openTunnel(origin.port)
      cleanup.push(proxy.close)
      const url = 'https://files.example/x'
      const hop = hopTo(origin, { url, proxy: proxy.url, ca: authority.ca, address: null })
      expect(await text((await transport.send(hop)).body)).toBe('tunnelled')
      expect(proxy.requests[0]).toMatchObject({ method: 'CONNECT', path: 'files.example:443' })
    })
  })
}

function hopTo(origin: Pick<RawOrigin, 'port' | 'url'>, change: Partial<Hop> = {}): Hop {
  return {
    url: `${origin.url}/file`,
    method: 'GET',
    headers: { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'test' },
    address: { ip: '127.0.0.1', port: origin.port },
    signal: new AbortController().signal,
    connectMs: 5_000,
    headerLimitBytes: 64 * 1024,
    ...change,
  }
}

const flood: RawAnswer = socket => {
  socket.write('HTTP/1.1 200 OK\r\n')
  let sent = 0
  const push = () => {
    while (!socket.destroyed && sent < 100_000)
      if (!socket.write(`x-h-${sent++}: v\r\n`)) return socket.once('drain', push)
    socket.end('content-length: 2\r\n\r\nok')
  }
  push()
}

/** A proxy that grants CONNECT and connects everyone to `port` of this machine. */
async function openTunnel(port: number): Promise<RawOrigin> {
  return await openRawOrigin(socket => {
    socket.removeAllListeners('data')
    const target = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connected\r\n\r\n')
      socket.pipe(target).pipe(socket)
    })
    target.on('error', () => socket.destroy())
  })
}

async function failureOf(answer: Promise<unknown>): Promise<unknown> {
  const error = await answer.then(
    () => 'no failure',
    (reason: Problem) => reason.detail.failure,
  )
  return error
}

async function bytes(body: ReadableStream<Uint8Array> | null): Promise<ArrayBuffer> {
  return await new Response(body as BodyInit | null).arrayBuffer()
}

async function text(body: ReadableStream<Uint8Array> | null): Promise<string> {
  return Buffer.from(await bytes(body)).toString()
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !isTrue(); i++) await delay(10)
  expect(isTrue()).toBe(true)
}
