// A server whose blobs are in S3, behind a proxy that makes S3 a bad one: whatever it does, no wrong byte and nothing
// partial is served or kept, what lies on the server's own disk goes on, and everything comes back by itself.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { AppServer } from '../app-server.ts'
import { eventually } from '../contracts/app/suite.ts'
import { type Origin, pattern, sha256Of, startOrigin } from '../origin.ts'
import { type RawRequest, rawRequest } from '../raw-http.ts'
import { startServer } from '../servers.ts'
import { type FaultyProxy, openFaultyProxy } from '../services/faulty-proxy.ts'
import { hasS3, S3_NEEDS, type S3Service, startS3 } from '../services/s3.ts'
import { expectWhole, expectWholeOrFailed, residentBytes } from './world.ts'

const MB = 1_000_000
const FILES = '/api/v1/remote/files'
const STORE = '/api/v1/remote/store'

describe.skipIf(!hasS3())(`S3 under a server (${S3_NEEDS})`, () => {
  let s3: S3Service
  let origin: Origin
  beforeAll(async () => {
    s3 = await startS3()
    origin = await startOrigin()
  })
  afterAll(async () => {
    await origin.close()
    await s3.stop()
  })

  for (const runtime of ['bun', 'node'] as const) {
    describe(runtime, () => {
      let proxy: FaultyProxy
      /** With a disk of its own in front of S3. */
      let cached: AppServer
      /** Without one. */
      let bare: AppServer

      beforeAll(async () => {
        proxy = await openFaultyProxy(s3.port)
        const yaml = JSON.stringify({
          remotes: {
            files: { base_url: origin.url },
            sent: { base_url: origin.url, redirect: true },
            store: { type: 'local' },
          },
        })
        const start = (name: string, more: Record<string, string>) => {
          const MINIO_ENDPOINT = `127.0.0.1:${proxy.port}`
          const environment = { ...s3.environment(`server-${runtime}-${name}`), MINIO_ENDPOINT }
          return startServer(runtime, { yaml, env: { ...environment, HOT_CACHE_MB: '0', ...more } })
        }
        cached = await start('cached', {})
        bare = await start('bare', { BLOB_CACHE_SIZE: '0' })
      })
      afterAll(async () => {
        await cached?.stop()
        await bare?.stop()
        await proxy.close()
      })
      beforeEach(() => {
        proxy.fault = () => null
      })

      const get = (server: AppServer, path: string, more: Partial<RawRequest> = {}) =>
        rawRequest({ port: server.port, path, timeoutMs: 30_000, ...more })
      const put = (server: AppServer, path: string, body: Uint8Array) =>
        get(server, `${STORE}/${path}`, {
          method: 'PUT',
          body,
          headers: { authorization: `Bearer ${server.adminToken}` },
        })

      it('keeps what it fetches, and serves it again', async () => {
        for (const [size, name] of [
          [100, 'tiny'],
          [5 * MB, 'large'],
          [20 * MB, 'huge'],
        ] as const) {
          const body = pattern(size, size)
          origin.set(`/${runtime}/${name}.bin`, { body })
          for (const server of [cached, bare]) {
            for (const source of ['remote', 'cache']) {
              const answer = await get(server, `${FILES}/${runtime}/${name}.bin`)
              expectWhole(answer, body)
              expect(answer.headers.get('x-artifact-source')).toBe(source)
            }
            const part = await get(server, `${FILES}/${runtime}/${name}.bin`, {
              headers: { range: 'bytes=10-89' },
            })
            expect([part.status, sha256Of(part.body)]).toEqual([206, sha256Of(body.slice(10, 90))])
          }
        }
      })

      it('sends clients of a repository that redirects to S3', async () => {
        const body = pattern(MB, 110)
        origin.set(`/${runtime}/sent.bin`, { body })
        for (const server of [cached, bare]) {
          const path = `/api/v1/remote/sent/${runtime}/sent.bin`
          expectWhole(await get(server, path), body)
          const answer = await get(server, path)
          expect(answer.status).toBe(302)
          const there = await fetch(answer.headers.get('location') ?? '')
          expect(sha256Of(new Uint8Array(await there.arrayBuffer()))).toBe(body.sha256)
          expect(there.headers.get('content-disposition')).toBe('attachment; filename="sent.bin"')
          const head = await get(server, path, { method: 'HEAD' })
          expect([head.status, head.headers.get('content-length')]).toEqual([200, String(MB)])
        }
      })

      it('takes a large upload in little memory', async () => {
        const piece = pattern(MB, 120).slice()
        const size = 400 * MB
        let most = 0
        const sampling = setInterval(() => {
          most = Math.max(most, residentBytes(bare))
        }, 50)
        const answer = await get(bare, `${STORE}/${runtime}-400.bin`, {
          method: 'PUT',
          headers: { authorization: `Bearer ${bare.adminToken}`, 'content-length': String(size) },
          body: (function* () {
            for (let sent = 0; sent < size; sent += MB) yield piece
          })(),
        })
        clearInterval(sampling)
        expect(answer.status).toBe(201)
        expect(most).toBeLessThan(size)
      }, 60_000)

      it('is as it should be while a third of all requests to S3 go wrong', async () => {
        const bodies = Array.from({ length: 12 }, (_, i) => pattern([1000, 300_000, 9 * MB][i % 3]!, 50 + i))
        bodies.forEach((body, i) => void origin.set(`/${runtime}/storm-${i}.bin`, { body }))
        let count = 0
        proxy.fault = ({ method }) => {
          switch (++count % 9) {
            case 2:
              return { answer: { status: 503, body: '<Error><Code>SlowDown</Code></Error>' } }
            case 5:
              return { answer: { status: 500 } }
            case 8:
              return method === 'PUT' ? { cutRequestAfter: 500 } : { cutAnswerAfter: 500 }
            default:
              return null
          }
        }
        for (const server of [cached, bare])
          for (let round = 0; round < 3; round++)
            await Promise.all(
              bodies.map(async (body, i) =>
                expectWholeOrFailed(await get(server, `${FILES}/${runtime}/storm-${i}.bin`), body),
              ),
            )
        proxy.fault = () => null
        for (const server of [cached, bare])
          for (const [i, body] of bodies.entries())
            expectWhole(await get(server, `${FILES}/${runtime}/storm-${i}.bin`), body)
      }, 120_000)

      it('takes an upload whole, or not at all, when S3 breaks off', async () => {
        for (const [i, server] of [cached, bare].entries()) {
          const body = pattern(9 * MB, 70 + i)
          proxy.fault = ({ method }) => (method === 'PUT' ? { cutRequestAfter: MB } : null)
          const refused = await put(server, `${runtime}.bin`, body.slice())
          expect(refused.status).toBe(500)
          expect(refused.text).toContain('S3 bucket')
          expect((await get(server, `${STORE}/${runtime}.bin`)).status).toBe(404)
          proxy.fault = () => null
          expect((await put(server, `${runtime}.bin`, body.slice())).status).toBe(201)
          expectWhole(await get(server, `${STORE}/${runtime}.bin`), body)
        }
      }, 60_000)

      it('keeps a body all the same when S3 dies under it and comes back', async () => {
        const body = pattern(12 * MB, 80)
        origin.set(`/${runtime}/survivor.bin`, { body })
        const hold = origin.hold(`/${runtime}/survivor.bin`, 10 * MB)
        const asked = get(cached, `${FILES}/${runtime}/survivor.bin`)
        await new Promise(resolve => setTimeout(resolve, 500))
        await proxy.refuse()
        hold.release()
        setTimeout(() => void proxy.listen(), 1500)
        expectWhole(await asked, body)
        const again = await get(cached, `${FILES}/${runtime}/survivor.bin`)
        expect(again.headers.get('x-artifact-source')).toBe('cache')
        expect(origin.gets(`/${runtime}/survivor.bin`)).toBe(1)
      })

      it('serves what lies on its disk, and passes the rest through, while S3 refuses connections', async () => {
        const known = pattern(5 * MB, 90)
        const fresh = pattern(5 * MB, 91)
        origin.set(`/${runtime}/known.bin`, { body: known })
        origin.set(`/${runtime}/fresh.bin`, { body: fresh })
        expectWhole(await get(cached, `${FILES}/${runtime}/known.bin`), known)
        await proxy.refuse()
        try {
          for (let i = 0; i < 3; i++) expectWhole(await get(cached, `${FILES}/${runtime}/known.bin`), known)
          expectWhole(await get(cached, `${FILES}/${runtime}/fresh.bin`), fresh)
          const ready = await get(cached, '/ready')
          expect([ready.status, ready.text.includes('S3 bucket')]).toEqual([503, true])
          expect(ready.text).not.toContain('testsecret')
        } finally {
          await proxy.listen()
        }
        await eventually(async () => expect((await get(cached, '/ready')).status).toBe(200))
      }, 60_000)

      it('fetches again what was deleted behind its back', async () => {
        const body = pattern(MB, 100)
        origin.set(`/${runtime}/gone.bin`, { body })
        expectWhole(await get(bare, `${FILES}/${runtime}/gone.bin`), body)
        // As if it were gone, until it is put again.
        let isGone = true
        proxy.fault = ({ method, path }) => {
          if (!path.includes(`/blobs/sha256/${body.sha256}`)) return null
          if (method === 'PUT') isGone = false
          return isGone ? { answer: { status: 404 } } : null
        }
        const answer = await get(bare, `${FILES}/${runtime}/gone.bin`)
        expectWhole(answer, body)
        expect(answer.headers.get('x-artifact-source')).toBe('remote')
      })
    })
  }

  it('that refuses the credentials keeps a server from starting, with a clear word', async () => {
    const environment = { ...s3.environment('refused'), MINIO_SECRET_KEY: 'not-the-one' }
    const failure = await startServer('node', { yaml: '{}', env: environment }).catch(
      (error: unknown) => error,
    )
    expect(String(failure)).toContain(`Cannot use S3 bucket refused at http://127.0.0.1:${s3.port}`)
    expect(String(failure)).not.toContain('not-the-one')
  })
})
