// Objects of an S3 bucket: read, looked for, put and removed one by one. What is put is checked by the server against
// a hash that is signed with the request, so a body that was cut or changed on its way is never kept.

import type { Problem } from '../model/problem.ts'
import type { ByteRange } from '../model/range.ts'
import type { LinkHeaders } from '../ports/blob-store.ts'
import type { Hasher } from '../ports/hasher.ts'
import type { RawResponse } from '../ports/transport.ts'
import type { S3Part, S3UploadPlace } from './s3-control.ts'
import { s3Problem, statusOf } from './s3-problems.ts'
import { ANSWER_MS, drain, expectOk, problemOf, type S3Requests, textOf } from './s3-requests.ts'

export interface S3Objects {
  /** An answer whose body is to be read or cancelled; null when there is no such object. */
  get(key: string, range: ByteRange | null, signal?: AbortSignal): Promise<RawResponse | null>
  head(key: string): Promise<S3Head | null>
  /** With `isNew` it is only put where there is none. */
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<'put' | 'exists'>
  /** Puts a mark where there is none: of all who try, one only succeeds. */
  claim(key: string): Promise<boolean>
  /** All of a small object; null when there is none. */
  text(key: string): Promise<string | null>
  /** From a stream, which can be sent once only. */
  putStream(key: string, body: ReadableStream<Uint8Array>, options: PutStreamOptions): Promise<void>
  /** One part of a multipart upload; tells its tag. */
  putPart(upload: S3UploadPlace, number: number, body: Uint8Array, signal: AbortSignal): Promise<S3Part>
  /** Removing what is not there is no error. */
  remove(key: string): Promise<void>
  /** An address from which anyone may GET the object for a while. */
  link(key: string, ttlSeconds: number, headers: LinkHeaders): Promise<string>
}

export interface S3Head {
  readonly size: number
  /** Epoch ms by the server's clock, of which it tells whole seconds. */
  readonly modifiedAt: number
  /** When it was asked, by the same clock. */
  readonly askedAt: number
  /** What was noted when it was put; null: another program put it. */
  readonly mark: string | null
}

export interface PutOptions {
  readonly isNew?: boolean
  readonly mark?: string
}

export interface PutStreamOptions {
  readonly size: number
  readonly sha256: string
  readonly mark: string
  readonly signal: AbortSignal
}

const MARK_HEADER = 'x-amz-meta-committed-at'

/** A body on a way that is slower than this will not arrive. */
const SLOWEST_BYTES_PER_SECOND = 256 * 1024

export function createS3Objects(requests: S3Requests, hasher: Hasher): S3Objects {
  const { send, sendOften, repeat, once } = requests

  function get(key: string, range: ByteRange | null, signal?: AbortSignal): Promise<RawResponse | null> {
    const headers = rangeHeader(range)
    const read = async (action: string) => {
      const answer = await sendOften({ method: 'GET', key, headers, signal })
      if (answer.status === 200 || answer.status === 206) return answer
      return nullIfMissing(await problemOf(answer, action))
    }
    return repeat(`Cannot read ${key}`, read, signal)
  }

  async function put(
    key: string,
    body: Uint8Array,
    { isNew = false, mark }: PutOptions = {},
  ): Promise<'put' | 'exists'> {
    const headers = { ...bodyHeaders(body.byteLength, hashOf(body, hasher), mark), ...condition(isNew) }
    return repeat(`Cannot put ${key}`, async action => {
      const answer = await send({ method: 'PUT', key, headers, body, answerMs: patienceMs(body) })
      // 409: somebody else is putting it. 501: a server without conditions, which cannot tell what it has.
      const exists = isNew && [412, 409, 501].includes(answer.status)
      await (exists ? drain(answer) : expectOk(answer, action))
      return exists ? 'exists' : 'put'
    })
  }

  function text(key: string): Promise<string | null> {
    return repeat(`Cannot read ${key}`, async () => {
      const answer = await get(key, null)
      return answer === null ? null : textOf(answer)
    })
  }

  return {
    get,
    head: key =>
      repeat(`Cannot look for ${key}`, async action => {
        const answer = await sendOften({ method: 'HEAD', key })
        await drain(answer)
        if (answer.status === 404) return null
        if (answer.status === 200) return headOf(answer.headers)
        throw s3Problem(action, { status: answer.status, code: null })
      }),
    put,
    text,
    async claim(key) {
      const claimant = crypto.randomUUID()
      const claimed = await put(key, new TextEncoder().encode(claimant), { isNew: true })
      // The answer to a first attempt may have been lost: what is there then is ours.
      return claimed === 'put' || (await text(key)) === claimant
    },
    putStream: (key, body, { size, sha256, mark, signal }) =>
      once(`Cannot put ${key}`, async action => {
        const headers = bodyHeaders(size, sha256, mark)
        await expectOk(await send({ method: 'PUT', key, headers, body, signal, answerMs: null }), action)
      }),
    async putPart({ key, uploadId }, number, body, signal) {
      const headers = bodyHeaders(body.byteLength, hashOf(body, hasher))
      const query = { partNumber: String(number), uploadId }
      const put = async (action: string) => {
        const answerMs = patienceMs(body)
        const answer = await send({ method: 'PUT', key, query, headers, body, signal, answerMs })
        await expectOk(answer, action)
        return { number, tag: answer.headers.get('etag') ?? '' }
      }
      return repeat(`Cannot put part ${number} of ${key}`, put, signal)
    },
    remove: key =>
      repeat(`Cannot remove ${key}`, async action => {
        const answer = await send({ method: 'DELETE', key })
        if (answer.status >= 300) nullIfMissing(await problemOf(answer, action))
        else await drain(answer)
      }),
    link: (key, ttlSeconds, { contentType, contentDisposition }) =>
      requests.signUrl(key, ttlSeconds, {
        'response-content-type': contentType,
        'response-content-disposition': contentDisposition,
      }),
  }
}

/** A missing bucket is no missing object. */
function nullIfMissing(problem: Problem): null {
  if (statusOf(problem) === 404 && problem.detail.s3Code !== 'NoSuchBucket') return null
  throw problem
}

function rangeHeader(range: ByteRange | null): Record<string, string> {
  return range === null ? {} : { range: `bytes=${range.start}-${range.end}` }
}

function condition(isNew: boolean): Record<string, string> {
  return isNew ? { 'if-none-match': '*' } : {}
}

function bodyHeaders(size: number, sha256: string, mark?: string): Record<string, string> {
  return {
    'content-length': String(size),
    'content-type': 'application/octet-stream',
    'x-amz-content-sha256': sha256,
    ...(mark === undefined ? {} : { [MARK_HEADER]: mark }),
  }
}

function patienceMs(body: Uint8Array): number {
  return ANSWER_MS + (body.byteLength / SLOWEST_BYTES_PER_SECOND) * 1000
}

function hashOf(bytes: Uint8Array, hasher: Hasher): string {
  const hash = hasher('sha256')
  hash.update(bytes)
  return hash.hex()
}

function headOf(headers: Headers): S3Head {
  return {
    size: Number(headers.get('content-length')),
    modifiedAt: Date.parse(headers.get('last-modified') ?? ''),
    askedAt: Date.parse(headers.get('date') ?? ''),
    mark: headers.get(MARK_HEADER),
  }
}
