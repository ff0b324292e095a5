// What every transport must do, whatever client it is made of.

import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http'
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

    describe('sends a body', () => {
      async function setUpReceiver() {
        const receiver = await openReceiver()
        cleanup.push(receiver.close)
        const transport = await open()
        cleanup.push(transport.close)
        return { receiver, transport }
      }

      it.each(['PUT', 'POST'] as const)('of bytes, with %s', async method => {
        const { receiver, transport } = await setUpReceiver()
        const body = patternOf(300_000)
        const answer = await transport.send(hopTo(receiver, { method, body, headers: { 'x-mine': 'yes' } }))
        expect([answer.status, await text(answer.body)]).toEqual([200, 'taken'])
        expect(receiver.requests[0]).toMatchObject({ method, headers: { 'x-mine': 'yes' } })
        expect(receiver.requests[0]?.headers['content-length']).toBe('300000')
        expect(receiver.requests[0]?.body.equals(body)).toBe(true)
      })

      it('that is a stream, whole and with its length', async () => {
        const { receiver, transport } = await setUpReceiver()
        const body = patternOf(5_000_000)
        const headers = { 'content-length': '5000000' }
        const answer = await transport.send(
          hopTo(receiver, { method: 'PUT', body: streamOf(body, 70_000), headers }),
        )
        expect(await text(answer.body)).toBe('taken')
        const [request] = receiver.requests
        expect(request?.headers['content-length']).toBe('5000000')
        expect(request?.headers['transfer-encoding']).toBeUndefined()
        expect(request?.body.equals(body)).toBe(true)
      })

      it('no faster than it is taken', async () => {
        const { receiver, transport } = await setUpReceiver()
        receiver.isStalled = true
        let pulled = 0
        const body = new ReadableStream<Uint8Array>(
          {
            pull(controller) {
              pulled += 65_536
              controller.enqueue(new Uint8Array(65_536))
            },
          },
          { highWaterMark: 0 },
        )
        const abort = new AbortController()
        const headers = { 'content-length': '1000000000' }
        const answer = transport.send(hopTo(receiver, { method: 'PUT', body, headers, signal: abort.signal }))
        answer.catch(() => {})
        await delay(500)
        expect(pulled).toBeLessThan(64e6)
        abort.abort(new Error('enough'))
        await expect(answer).rejects.toThrow()
      })

      it('and fails the exchange when its stream fails', async () => {
        const { receiver, transport } = await setUpReceiver()
        const body = new ReadableStream<Uint8Array>({
          async pull(controller) {
            if (pulls++ === 0) return controller.enqueue(new Uint8Array(1000))
            await delay(50)
            controller.error(new Error('torn'))
          },
        })
        let pulls = 0
        const headers = { 'content-length': '2000' }
        await expect(transport.send(hopTo(receiver, { method: 'PUT', body, headers }))).rejects.toThrow()
        await until(() => receiver.cutShort === 1)
        expect(receiver.requests).toEqual([])
      })

      it('and lets go of its stream when told to give up', async () => {
        const { receiver, transport } = await setUpReceiver()
        let isLetGo = false
        const body = new ReadableStream<Uint8Array>({
          start: controller => controller.enqueue(new Uint8Array(1000)),
          cancel: () => void (isLetGo = true),
        })
        const abort = new AbortController()
        const headers = { 'content-length': '2000' }
        const answer = transport.send(hopTo(receiver, { method: 'PUT', body, headers, signal: abort.signal }))
        answer.catch(() => {})
        await delay(100)
        abort.abort(new Error('enough'))
        await expect(answer).rejects.toThrow()
        await until(() => isLetGo && receiver.cutShort === 1)
      })

      it('none, where there is none', async () => {
        const { receiver, transport } = await setUpReceiver()
        for (const method of ['PUT', 'POST', 'DELETE'] as const) {
          const answer = await transport.send(hopTo(receiver, { method }))
          expect(await text(answer.body)).toBe('taken')
        }
        expect(receiver.requests.map(({ method, body }) => [method, body.length])).toEqual([
          ['PUT', 0],
          ['POST', 0],
          ['DELETE', 0],
        ])
        for (const { headers } of receiver.requests) expect(headers['transfer-encoding']).toBeUndefined()
        expect(receiver.requests[0]?.headers['content-length']).toBe('0')
      })

      it('and hears an answer that comes before its end', async () => {
        const { receiver, transport } = await setUpReceiver()
        receiver.isRefusing = true
        const body = new ReadableStream<Uint8Array>(
          {
            async pull(controller) {
              await delay(5)
              controller.enqueue(new Uint8Array(10_000))
            },
          },
          { highWaterMark: 0 },
        )
        const headers = { 'content-length': '100000000' }
        const answer = await transport.send(hopTo(receiver, { method: 'PUT', body, headers }))
        expect(answer.status).toBe(503)
        await answer.body?.cancel()
      })
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

interface Received {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Takes whole requests and says so; counts those that were cut short. */
async function openReceiver() {
  const requests: Received[] = []
  const receiver = { port: 0, url: '', requests, cutShort: 0, isStalled: false, isRefusing: false, close }
  const server = createHttpServer((request, response) => {
    if (receiver.isStalled) return
    if (receiver.isRefusing) {
      response.writeHead(503, { 'content-length': '0' }).end()
      return
    }
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('error', () => receiver.cutShort++)
    request.on('end', () => {
      const { method = '', headers } = request
      requests.push({ method, headers, body: Buffer.concat(chunks) })
      response.end('taken')
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  receiver.port = (server.address() as AddressInfo).port // it listens on a port
  receiver.url = `http://127.0.0.1:${receiver.port}`
  return receiver

  async function close(): Promise<void> {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
}

function patternOf(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) & 255)
}

function streamOf(bytes: Uint8Array, piece: number): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (at % (piece * 10) === 0) await delay(2)
        if (at < bytes.length) controller.enqueue(bytes.slice(at, at + piece))
        at += piece
        if (at >= bytes.length) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
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
