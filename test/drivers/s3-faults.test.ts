// S3 as it is on a bad day: a real Ceph behind a proxy that does to requests what networks and servers do.

import { AwsV4Signer } from 'aws4fetch'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { S3Blobs } from '../../src/drivers/s3-blobs.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Transport } from '../../src/ports/transport.ts'
import { collect, commit, expectNothing, hashOf, listAll, same } from '../contracts/blob-store.ts'
import { type Fault, type FaultyProxy, openFaultyProxy, type SeenRequest } from '../services/faulty-proxy.ts'
import { hasS3, S3_NEEDS, type S3Service, startS3 } from '../services/s3.ts'
import { createAuthority } from '../throwaway-certificates.ts'
import { openS3Store, openTransport, type S3StoreOptions } from './s3-store.ts'
import { bytesOf } from './sample-bytes.ts'

const HOUR_MS = 3_600_000

describe.skipIf(!hasS3())(`S3 on a bad day (${S3_NEEDS})`, () => {
  let s3: S3Service
  let transport: Transport
  let proxy: FaultyProxy
  let bucket = ''
  let store: S3Blobs
  /** The same, without the proxy. */
  let direct: S3Blobs
  let buckets = 0

  beforeAll(async () => {
    s3 = await startS3()
    transport = await openTransport()
  })
  afterAll(async () => {
    await transport.close()
    await s3.stop()
  })
  beforeEach(async () => {
    bucket = `faults-${++buckets}`
    proxy = await openFaultyProxy(s3.port)
    store = openBehind()
    direct = openS3Store(transport, { options: s3.options(bucket) })
    await direct.checkBucket()
  })
  afterEach(() => proxy.close())

  function openBehind(more: Partial<S3StoreOptions> = {}): S3Blobs {
    const options = { ...s3.options(bucket), ...more.options, endpoint: `http://127.0.0.1:${proxy.port}` }
    return openS3Store(transport, { ...more, options })
  }

  /** Happens to the first `times` requests that are meant. */
  function happens(fault: Fault, isMeant: (request: SeenRequest) => boolean, times = 1): void {
    let left = times
    proxy.fault = request => (isMeant(request) && left-- > 0 ? fault : null)
  }

  const isGet = ({ method, path }: SeenRequest) => method === 'GET' && path.includes('/blobs/')
  const isHead = ({ method }: SeenRequest) => method === 'HEAD'
  const isPut = ({ method }: SeenRequest) => method === 'PUT'
  const isBlobPut = (request: SeenRequest) => isPut(request) && request.path.includes('/blobs/')
  const slowDown = xmlAnswer(503, 'SlowDown')

  describe('a server that refuses', () => {
    it('connections is said to, with its bucket and without its keys, and is used again when it is back', async () => {
      const { sha256 } = await commit(direct, bytesOf(1000, 1))
      await proxy.refuse()
      const failure = await store.open(sha256).catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: 'store-broken' })
      expect(String(failure)).toContain(`S3 bucket ${bucket} at http://127.0.0.1:${proxy.port}`)
      expect(String(failure)).toContain('refused')
      expect(JSON.stringify([String(failure), failure])).not.toMatch(/testsecret|Signature|Credential/i)
      await proxy.listen()
      expect(await store.open(sha256, 1000)).not.toBeNull()
    })

    it('its credentials is a clear fault', async () => {
      const wrong = { ...s3.options(bucket), secretKey: 'not-the-secret' }
      const failure = await openBehind({ options: wrong })
        .checkBucket()
        .catch((error: unknown) => error)
      expect(String(failure)).toContain(`Cannot use S3 bucket ${bucket} at http://127.0.0.1:${proxy.port}`)
      expect(String(failure)).toContain('403 SignatureDoesNotMatch')
      expect(String(failure)).not.toContain('not-the-secret')
      const unknown = openBehind({ options: { ...s3.options(bucket), accessKey: 'nobody' } })
      await expect(unknown.checkBucket()).rejects.toThrow('403 InvalidAccessKeyId')
      await expect(unknown.open('a'.repeat(64))).rejects.toMatchObject({ code: 'store-broken' })
    })

    it('more bytes than its quota is full', async () => {
      happens({ answer: xmlAnswer(403, 'QuotaExceeded') }, isBlobPut, 100)
      await expect(commit(store, bytesOf(1000, 2))).rejects.toMatchObject({ code: 'store-full' })
    })
  })

  describe('a server in trouble', () => {
    it.each([
      ['500 InternalError', xmlAnswer(500, 'InternalError')],
      ['503 SlowDown', slowDown],
      ['502', { status: 502, body: '<html>' }],
    ])('is asked again after %s', async (_title, answer) => {
      const bytes = bytesOf(100_000, 3)
      happens({ answer }, isBlobPut, 2)
      const { sha256 } = await commit(store, bytes)
      happens({ answer }, isHead, 2)
      const blob = await store.open(sha256, bytes.length)
      happens({ answer }, isGet, 2)
      expect(same(await collect(blob!.stream()), bytes)).toBe(true)
      happens({ answer }, ({ path }) => path.includes('list-type'), 2)
      expect(await listAll(store)).toHaveLength(1)
    })

    it('is not asked for ever', async () => {
      happens({ answer: slowDown }, isHead, 1000)
      const failure = await store.open('a'.repeat(64)).catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: 'store-broken' })
      expect(String(failure)).toContain('503')
      expect(proxy.requests.length).toBeLessThanOrEqual(5)
    })

    it('takes a body in parts all the same', async () => {
      const bytes = bytesOf(30_000_000, 4)
      happens({ answer: slowDown }, isPut, 3)
      const { sha256 } = await commit(store, bytes, {}, 700_000)
      expect(await hashIn(direct, sha256)).toBe(sha256)
    })

    it('that does not answer is given up', async () => {
      happens({ until: new Promise(() => {}) }, isHead, 1000)
      const hasty = openBehind({ clock: fastClock(1000) })
      await expect(hasty.open('a'.repeat(64))).rejects.toThrow('no answer within 10000 ms')
    })

    it('that stands still in the middle of a body is asked for the rest', async () => {
      const bytes = bytesOf(3_000_000, 5)
      const { sha256 } = await commit(direct, bytes)
      const hasty = openBehind({ clock: fastClock(100) })
      const blob = await hasty.open(sha256)
      happens({ stallAnswerAfter: 1_000_000 }, isGet, 2)
      expect(same(await collect(blob!.stream()), bytes)).toBe(true)
    })
  })

  describe('a connection that dies', () => {
    it.each([0, 1, 1_000_000, 5_999_999])(
      'after %i bytes of a body is gone on with',
      async cutAnswerAfter => {
        const bytes = bytesOf(6_000_000, 10)
        const { sha256 } = await commit(direct, bytes)
        happens({ cutAnswerAfter }, isGet, 2)
        const blob = await store.open(sha256)
        expect(same(await collect(blob!.stream()), bytes)).toBe(true)
        const part = { start: 1_000_000, end: 4_999_999 }
        happens({ cutAnswerAfter: 1_500_000 }, isGet, 2)
        expect(same(await collect(blob!.stream(part)), bytes.subarray(1_000_000, 5_000_000))).toBe(true)
      },
    )

    it('again and again fails the body, which never ends early', async () => {
      const bytes = bytesOf(2_000_000, 11)
      const { sha256 } = await commit(direct, bytes)
      happens({ cutAnswerAfter: 0 }, isGet, 1000)
      const blob = await store.open(sha256)
      await expect(collect(blob!.stream())).rejects.toMatchObject({ code: 'store-broken' })
    }, 30_000)

    it('under a small body is made again', async () => {
      happens({ cutRequestAfter: 50_000 }, isBlobPut)
      const { sha256 } = await commit(store, bytesOf(100_000, 12))
      expect(await hashIn(direct, sha256)).toBe(sha256)
    })

    it('under a part is made again', async () => {
      const bytes = bytesOf(20_000_000, 13)
      happens({ cutRequestAfter: 4_000_000 }, ({ path }) => path.includes('partNumber=2'))
      const { sha256 } = await commit(store, bytes, {}, 1_000_000)
      expect(await hashIn(direct, sha256)).toBe(sha256)
    })

    it.each([0, 5_000_000, 19_900_000])(
      'after %i bytes of a body that is streamed leaves nothing of it',
      async cutRequestAfter => {
        const bytes = bytesOf(20_000_000, 14)
        happens({ cutRequestAfter }, isBlobPut)
        await expect(commit(store, bytes, told(bytes))).rejects.toMatchObject({ code: 'store-broken' })
        await expectNothing(direct)
      },
    )

    it('before the answer to the last request of an upload is no matter', async () => {
      const bytes = bytesOf(20_000_000, 15)
      happens({ cutAnswerAfter: 0 }, ({ method, path }) => method === 'POST' && path.includes('uploadId='))
      const { sha256 } = await commit(store, bytes, {}, 1_000_000)
      expect(await hashIn(direct, sha256)).toBe(sha256)
      expect(await direct.sweep(Date.now() + HOUR_MS)).toBe(0)
    })

    it('before the answer to a resumption is no matter', async () => {
      const stage = await store.stage()
      await stage.write(bytesOf(1000, 16))
      await stage.suspend()
      happens({ cutAnswerAfter: 0 }, ({ method, path }) => method === 'PUT' && path.includes('/taken-'))
      const again = await store.resume(stage.id)
      expect(again?.offset).toBe(1000)
      await again!.discard()
    })
  })

  describe('bytes', () => {
    it.each([
      ['small', 100_000, false],
      ['streamed', 20_000_000, true],
      ['in parts', 20_000_000, false],
    ])('that were changed on their way are never kept: %s', async (_title, length, isTold) => {
      const bytes = bytesOf(length, 20)
      happens({ flipAt: 70_000 }, isPut, 1000)
      const refusal = commit(store, bytes, isTold ? told(bytes) : {}, 1_000_000)
      await expect(refusal).rejects.toThrow('XAmzContentSHA256Mismatch')
      proxy.fault = () => null
      await expectNothing(direct)
    })

    it('that are others than they were told to be are not kept', async () => {
      const bytes = bytesOf(20_000_000, 21)
      const wrong = { ...told(bytes), expected: [{ algorithm: 'sha256', hex: 'a'.repeat(64) } as const] }
      await expect(commit(store, bytes, wrong, 1_000_000)).rejects.toMatchObject({ code: 'digest-mismatch' })
      await expectNothing(direct)
    })

    it('that are fewer or more than they were told to be are not kept', async () => {
      const bytes = bytesOf(20_000_000, 22)
      for (const size of [bytes.length - 1, bytes.length + 1]) {
        const refusal = commit(store, bytes, { ...told(bytes), size }, 1_000_000)
        await expect(refusal).rejects.toMatchObject({ code: 'length-mismatch' })
      }
      await expectNothing(direct)
    })

    it('of which fewer come than promised fail the stream', async () => {
      const { sha256 } = await commit(direct, bytesOf(1000, 23))
      const blob = await store.open(sha256)
      happens({ answer: { status: 200, body: 'x'.repeat(999) } }, isGet, 10)
      await expect(collect(blob!.stream())).rejects.toThrow('999 bytes come')
    })

    it('that were deleted behind our back are missing, and fail who still reads them', async () => {
      const { sha256 } = await commit(direct, bytesOf(1000, 24))
      const blob = await store.open(sha256)
      await direct.remove(sha256)
      await expect(collect(blob!.stream())).rejects.toThrow('no longer there')
      expect(await store.open(sha256)).toBeNull()
    })
  })

  describe('a body that is streamed', () => {
    it('goes to its place in one request, and is seen at its commit', async () => {
      const bytes = bytesOf(20_000_000, 30)
      const stage = await store.stage(told(bytes))
      for (let at = 0; at < bytes.length; at += 1_000_000) await stage.write(bytes.slice(at, at + 1_000_000))
      const { sha256 } = told(bytes)
      const seen: unknown[] = []
      await stage.commit(async () => void seen.push(await direct.open(sha256)))
      expect(seen).toEqual([null])
      expect(await hashIn(direct, sha256)).toBe(sha256)
      expect(proxy.requests.filter(isPut).map(({ path }) => path)).toEqual([
        `/${bucket}/blobs/sha256/${sha256}`,
      ])
      expect(proxy.requests.find(isPut)?.headers['x-amz-content-sha256']).toBe(sha256)
    })

    it('leaves nothing when it is thrown away', async () => {
      const bytes = bytesOf(20_000_000, 31)
      const stage = await store.stage(told(bytes))
      await stage.write(bytes.slice(0, 10_000_000))
      await stage.write(bytes.slice(10_000_000, 11_000_000))
      await stage.discard()
      await expectNothing(direct)
    })

    it('cannot be suspended, and says so', async () => {
      const bytes = bytesOf(20_000_000, 32)
      const stage = await store.stage(told(bytes))
      await stage.write(bytes.slice(0, 10_000_000))
      await expect(stage.suspend()).rejects.toMatchObject({ code: 'store-broken' })
      await expectNothing(direct)
    })
  })

  describe('large bodies', () => {
    it('are moved in parts where S3 copies no more at once', async () => {
      const small = openBehind({ requestBytes: 12_000_000 })
      const bytes = bytesOf(30_000_000, 40)
      const { sha256 } = await commit(small, bytes, told(bytes), 1_000_000)
      expect(await hashIn(direct, sha256)).toBe(sha256)
      expect(proxy.requests.filter(({ headers }) => 'x-amz-copy-source-range' in headers)).toHaveLength(3)
      expect(await direct.sweep(Date.now() + HOUR_MS)).toBe(0)
    })

    it('are resumed in parts', async () => {
      const small = openBehind({ requestBytes: 12_000_000 })
      const bytes = bytesOf(40_000_000, 41)
      const stage = await small.stage()
      await stage.write(bytes.slice(0, 33_000_000))
      await stage.suspend()
      const again = await small.resume(stage.id)
      expect(again?.offset).toBe(33_000_000)
      await again!.write(bytes.slice(33_000_000))
      const { sha256 } = await again!.commit()
      expect(sha256).toBe(hashOf('sha256', bytes))
      expect(await hashIn(direct, sha256)).toBe(sha256)
      expect(await direct.sweep(Date.now() + HOUR_MS)).toBe(0)
    })
  })

  describe('stages whose process died', () => {
    it('are swept a day after they were last written to', async () => {
      const bytes = bytesOf(20_000_000, 50)
      const stage = await store.stage()
      await stage.write(bytes.slice())
      // A copy in parts that nobody ends, and the body that it copies.
      const small = openBehind({ requestBytes: 12_000_000 })
      happens({ until: new Promise(() => {}) }, ({ headers }) => 'x-amz-copy-source-range' in headers, 1000)
      const stuck = commit(small, bytesOf(20_000_000, 51), {}, 1_000_000)
      stuck.catch(() => {})
      await until(() => proxy.requests.some(({ headers }) => 'x-amz-copy-source-range' in headers))
      proxy.fault = () => null
      expect(await direct.sweep(Date.now() + 1000)).toBe(0)
      await new Promise(resolve => setTimeout(resolve, 1500))
      const impatient = openBehind({ abandonedMs: 500 })
      expect(await impatient.sweep(Date.now() + 1000)).toBe(2)
      expect(await uploadsIn(s3, bucket)).toBe(0)
      expect(await impatient.sweep(Date.now() + 1000)).toBe(0)
      await expect(stage.commit()).rejects.toMatchObject({ code: 'store-broken' })
      expect(await listAll(direct)).toEqual([])
    })
  })

  describe('clocks that differ', () => {
    it.each([20, -20])('by %i minutes are no matter to S3', async minutes => {
      const skewed = openBehind({ clock: skewedClock(minutes) })
      await skewed.checkBucket()
      const bytes = bytesOf(20_000_000, 60)
      const { sha256 } = await commit(skewed, bytes, {}, 1_000_000)
      expect(await hashIn(skewed, sha256)).toBe(sha256)
      const [listed] = (await skewed.list()).blobs
      const now = Date.now() + minutes * 60_000
      expect(Math.abs((listed?.committedAt ?? 0) - now)).toBeLessThan(3000)
    })

    it('by ten minutes do not let a removal take what was committed since', async () => {
      const bytes = bytesOf(1000, 61)
      const ahead = openBehind({ clock: skewedClock(10) })
      const behind = openBehind({ clock: skewedClock(-10) })
      const { sha256 } = await commit(ahead, bytes)
      await new Promise(resolve => setTimeout(resolve, 2100))
      const condemnedAt = Date.now() + 10 * 60_000
      await new Promise(resolve => setTimeout(resolve, 2100))
      await commit(behind, bytes)
      expect(await ahead.remove(sha256, condemnedAt)).toBe(false)
      expect(await direct.open(sha256)).not.toBeNull()
      await new Promise(resolve => setTimeout(resolve, 2100))
      expect(await ahead.remove(sha256, Date.now() + 10 * 60_000)).toBe(true)
    })
  })

  describe('a commit that meets a removal', () => {
    it.each([
      ['small', 1000, false],
      ['in parts', 20_000_000, false],
    ])('brings the bytes again: %s', async (_title, length) => {
      const bytes = bytesOf(length, 70)
      const { sha256 } = await commit(direct, bytes, {}, 1_000_000)
      await new Promise(resolve => setTimeout(resolve, 50))
      const { promise: mayGo, resolve: letGo } = Promise.withResolvers<void>()
      const isDelete = ({ method, path }: SeenRequest) => method === 'DELETE' && path.includes('/blobs/')
      happens({ until: mayGo }, isDelete)
      const removing = store.remove(sha256, Date.now())
      await until(() => proxy.requests.some(isDelete))
      const committing = commit(direct, bytes, {}, 1_000_000)
      await new Promise(resolve => setTimeout(resolve, 500))
      letGo()
      expect(await removing).toBe(true)
      await committing
      expect(await hashIn(direct, sha256)).toBe(sha256)
    })

    it('fails honestly where its bytes were streamed, and it cannot bring them again', async () => {
      const bytes = bytesOf(20_000_000, 71)
      const { sha256 } = await commit(direct, bytes, told(bytes), 1_000_000)
      await new Promise(resolve => setTimeout(resolve, 50))
      const { promise: mayGo, resolve: letGo } = Promise.withResolvers<void>()
      const isDelete = ({ method, path }: SeenRequest) => method === 'DELETE' && path.includes('/blobs/')
      happens({ until: mayGo }, isDelete)
      const removing = store.remove(sha256, Date.now())
      await until(() => proxy.requests.some(isDelete))
      const committing = commit(direct, bytes, told(bytes), 1_000_000)
      committing.catch(() => {})
      await new Promise(resolve => setTimeout(resolve, 1000))
      letGo()
      await removing
      await expect(committing).rejects.toThrow('was removed while it was committed')
    })

    it('spares what was committed between the look and the removal', async () => {
      const bytes = bytesOf(1000, 72)
      const { sha256 } = await commit(direct, bytes)
      await new Promise(resolve => setTimeout(resolve, 50))
      const { promise: mayGo, resolve: letGo } = Promise.withResolvers<void>()
      const isMark = ({ method, path }: SeenRequest) => method === 'PUT' && path.includes('/removing/')
      happens({ until: mayGo }, isMark)
      const removing = store.remove(sha256, Date.now())
      await until(() => proxy.requests.some(isMark))
      await commit(direct, bytes)
      letGo()
      expect(await removing).toBe(false)
      expect(await hashIn(direct, sha256)).toBe(sha256)
    })

    it('takes the blob though the answer to its mark was lost, and leaves no mark', async () => {
      const { sha256 } = await commit(direct, bytesOf(1000, 74))
      await new Promise(resolve => setTimeout(resolve, 50))
      const isMark = ({ method, path }: SeenRequest) => method === 'PUT' && path.includes('/removing/')
      happens({ replaceAnswer: { status: 500 } }, isMark)
      expect(await store.remove(sha256, Date.now())).toBe(true)
      expect(proxy.requests.filter(isMark)).toHaveLength(2)
      const left = await rawRequest(s3, bucket, 'GET', '?list-type=2')
      expect(await left.text()).not.toContain('<Key>')
    })

    it('is not held up by a removal whose process died', async () => {
      const bytes = bytesOf(1000, 73)
      const { sha256 } = await commit(direct, bytes)
      await new Promise(resolve => setTimeout(resolve, 50))
      happens({ answer: xmlAnswer(403, 'AccessDenied') }, ({ method }) => method === 'DELETE', 1000)
      await expect(store.remove(sha256, Date.now())).rejects.toMatchObject({ code: 'store-broken' })
      proxy.fault = () => null
      const hasty = openBehind({ clock: fastClock(100) })
      // By the server's clock the mark is seconds old: the commit waits, and somebody else takes it away.
      const committing = commit(hasty, bytes)
      await new Promise(resolve => setTimeout(resolve, 300))
      await rawRequest(s3, bucket, 'DELETE', `staging/removing/${sha256}`)
      await committing
      expect(await hashIn(direct, sha256)).toBe(sha256)
    })
  })

  describe('objects of other programs', () => {
    it('are used, and neither written nor removed', async () => {
      for (const [length, isTold] of [
        [1000, false],
        [20_000_000, false],
        [20_000_000, true],
      ] as const) {
        const bytes = bytesOf(length, 80 + Number(isTold))
        const sha256 = hashOf('sha256', bytes)
        const key = `blobs/sha256/${sha256}`
        await rawRequest(s3, bucket, 'PUT', key, bytes, { 'content-type': 'application/gzip' })
        const before = await rawRequest(s3, bucket, 'HEAD', key)
        await new Promise(resolve => setTimeout(resolve, 1100))
        await commit(store, bytes, isTold ? told(bytes) : {}, 1_000_000)
        expect(await hashIn(store, sha256)).toBe(sha256)
        expect(await store.remove(sha256)).toBe(true)
        expect(await store.remove(sha256, Date.now() + HOUR_MS)).toBe(true)
        const after = await rawRequest(s3, bucket, 'HEAD', key)
        for (const name of ['last-modified', 'content-type', 'etag', 'content-length'])
          expect(after.headers.get(name)).toBe(before.headers.get(name))
      }
    })

    it('give way where they are damaged', async () => {
      const bytes = bytesOf(1000, 85)
      const sha256 = hashOf('sha256', bytes)
      await rawRequest(s3, bucket, 'PUT', `blobs/sha256/${sha256}`, bytes.slice(0, 500))
      await commit(store, bytes)
      expect(await hashIn(store, sha256)).toBe(sha256)
    })

    it('beside ours are not listed', async () => {
      await rawRequest(s3, bucket, 'PUT', 'blobs/sha256/README', bytesOf(10, 86))
      await rawRequest(s3, bucket, 'PUT', 'staging/notes.txt', bytesOf(10, 87))
      const { sha256 } = await commit(store, bytesOf(1000, 88))
      expect((await listAll(store)).map(blob => blob.sha256)).toEqual([sha256])
      expect(await openBehind({ abandonedMs: 0 }).sweep(Date.now() + HOUR_MS)).toBe(0)
      expect((await rawRequest(s3, bucket, 'HEAD', 'staging/notes.txt')).status).toBe(200)
    })
  })

  describe('the way there', () => {
    it('is by TLS and the name of the bucket in the host, for bodies and for the rest', async () => {
      const authority = createAuthority()
      const secure = await openFaultyProxy(s3.port, authority.issue(`${bucket}.s3.test`))
      const options = {
        ...s3.options(bucket),
        endpoint: `https://s3.test:${secure.port}`,
        isPathStyle: false,
        ca: authority.ca,
      }
      const resolver = async () => ['127.0.0.1']
      const far = openS3Store(transport, { options, resolver })
      await far.checkBucket()
      const bytes = bytesOf(20_000_000, 90)
      const { sha256 } = await commit(far, bytes, {}, 1_000_000)
      expect(await hashIn(far, sha256)).toBe(sha256)
      expect(await listAll(far)).toHaveLength(1)
      expect(new Set(secure.requests.map(({ headers }) => headers.host))).toEqual(
        new Set([`${bucket}.s3.test:${secure.port}`]),
      )
      expect(secure.requests.every(({ path }) => !path.startsWith(`/${bucket}`))).toBe(true)
      const link = await far.link!(sha256, 60, { contentType: 'a/b', contentDisposition: 'inline' })
      expect(new URL(link).host).toBe(`${bucket}.s3.test:${secure.port}`)

      const trusting = openS3Store(transport, { options: { ...options, ca: undefined }, resolver })
      await expect(trusting.checkBucket()).rejects.toThrow('no trusted TLS connection')
      await secure.close()
    })

    it('carries the session token of temporary keys, signed', async () => {
      const options = { ...s3.options(bucket), sessionToken: 'a-session-token' }
      const temporary = openBehind({ options })
      proxy.fault = () => ({ answer: { status: 404 } })
      await temporary.open('a'.repeat(64))
      await temporary.remove('a'.repeat(64)).catch(() => {})
      await commit(temporary, bytesOf(1000, 91)).catch(() => {})
      await temporary.list().catch(() => {})
      const link = new URL(
        await temporary.link!('a'.repeat(64), 60, { contentType: 'a/b', contentDisposition: 'c' }),
      )
      expect(link.searchParams.get('X-Amz-Security-Token')).toBe('a-session-token')
      expect(proxy.requests.length).toBeGreaterThan(2)
      for (const { path, headers } of proxy.requests) {
        const query = new URL(path, 'http://x').searchParams
        const token = query.get('X-Amz-Security-Token') ?? headers['x-amz-security-token']
        expect(token).toBe('a-session-token')
        const signed = String(headers.authorization ?? '')
        if (signed !== '') expect(signed).toMatch(/SignedHeaders=[^,]*x-amz-security-token/)
      }
    })

    it('makes the bucket when it is absent, once for many who come together', async () => {
      bucket = `absent-${buckets}`
      await Promise.all([1, 2, 3, 4].map(() => openBehind().checkBucket()))
      const { sha256 } = await commit(openBehind(), bytesOf(1000, 92))
      expect(sha256).toHaveLength(64)
    })
  })
})

function told(bytes: Uint8Array) {
  const sha256 = hashOf('sha256', bytes)
  return { sha256, size: bytes.length, expected: [{ algorithm: 'sha256', hex: sha256 } as const] }
}

async function hashIn(store: S3Blobs, sha256: string): Promise<string> {
  const blob = await store.open(sha256)
  return blob === null ? 'missing' : hashOf('sha256', await collect(blob.stream()))
}

function xmlAnswer(status: number, code: string) {
  return { status, body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message></Message></Error>` }
}

/** Waits pass so many times faster. */
function fastClock(factor: number): Clock {
  const { now, sleep } = createSystemClock()
  return { now, sleep: (ms, signal) => sleep(ms / factor, signal) }
}

function skewedClock(minutes: number): Clock {
  const { now, sleep } = createSystemClock()
  return { now: () => now() + minutes * 60_000, sleep }
}

/** As another program would. */
async function rawRequest(
  s3: S3Service,
  bucket: string,
  method: string,
  key: string,
  body?: Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> {
  const { endpoint, accessKey, secretKey, region } = s3.options(bucket)
  const signed = await new AwsV4Signer({
    method,
    url: `${endpoint}/${bucket}/${key}`,
    headers,
    accessKeyId: accessKey,
    secretAccessKey: secretKey,
    service: 's3',
    region,
  }).sign()
  const answer = await fetch(signed.url, { method, headers: signed.headers, body })
  expect(answer.status).toBeLessThan(300)
  return answer
}

async function uploadsIn(s3: S3Service, bucket: string): Promise<number> {
  const answer = await rawRequest(s3, bucket, 'GET', '?uploads')
  return (await answer.text()).split('<Upload>').length - 1
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !isTrue(); i++) await new Promise(resolve => setTimeout(resolve, 10))
  expect(isTrue()).toBe(true)
}
