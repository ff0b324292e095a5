// Requests to an S3 bucket, signed here and sent by the runtime's own transport. A signature costs a third of a
// millisecond, so those of what is asked often (GET and HEAD) are kept in the URL and used again.

import { AwsV4Signer } from 'aws4fetch'
import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { RawResponse } from '../ports/transport.ts'
import { s3Problem, toS3Problem, withRetries } from './s3-problems.ts'
import type { ServerTime } from './server-time.ts'
import type { ServiceLink } from './service-link.ts'

export interface S3Options {
  /** Scheme, host and port; without a path. */
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  readonly sessionToken?: string
  readonly bucket: string
  readonly region: string
  /** True: the bucket is the first segment of the path; false: the first label of the host name. */
  readonly isPathStyle: boolean
  /** PEM text of an authority trusted besides the usual ones. */
  readonly ca?: string
}

export interface S3Requests {
  /** Signs this one request. */
  send(request: S3Request): Promise<RawResponse>
  /** GET or HEAD by a URL that is signed once and used for a while. */
  sendOften(request: S3Request): Promise<RawResponse>
  /** A URL for anyone, with further query parameters. */
  signUrl(key: string, ttlSeconds: number, query: Readonly<Record<string, string>>): Promise<string>
  /** `work` until it succeeds, fails for good or often enough; its failure as a Problem. It must be harmless to do twice. */
  repeat<T>(what: string, work: (action: string) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** The same, once. */
  once<T>(what: string, work: (action: string) => Promise<T>): Promise<T>
}

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  readonly key: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | ReadableStream<Uint8Array>
  readonly signal?: AbortSignal
  /** How long the headers of the answer may take; null = as long as they want. */
  readonly answerMs?: number | null
}

export interface S3RequestsParts {
  readonly options: S3Options
  readonly link: ServiceLink
  readonly time: ServerTime
  readonly clock: Clock
}

export const ANSWER_MS = 10_000
const ANSWER_LIMIT_BYTES = 64 * 1024
const SIGNED_SECONDS = 3600
const SIGNED_LIMIT = 10_000

interface SignedUrl {
  readonly url: string
  readonly until: number
}

export function createS3Requests({ options, link, time, clock }: S3RequestsParts): S3Requests {
  const base = baseOf(options)
  const keys = new Map<string, ArrayBuffer>()
  const signedUrls = new Map<string, SignedUrl>()

  function urlOf({ key, query = {} }: Pick<S3Request, 'key' | 'query'>): URL {
    const url = new URL(`${base}/${key.split('/').map(encodeURIComponent).join('/')}`)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    return url
  }

  async function sign(method: string, url: URL, headers: Record<string, string>, signQuery: boolean) {
    const signed = await new AwsV4Signer({
      method,
      url: url.href,
      headers,
      signQuery,
      accessKeyId: options.accessKey,
      secretAccessKey: options.secretKey,
      sessionToken: options.sessionToken,
      service: 's3',
      region: options.region,
      cache: keys,
      datetime: new Date(time.now()).toISOString().replace(/[:-]|\.\d{3}/g, ''),
    }).sign()
    // URL writes a space of the query as "+", which not every server reads so.
    return { url: signed.url.href.replaceAll('+', '%20'), headers: Object.fromEntries(signed.headers) }
  }

  async function signUrl(
    method: string,
    key: string,
    ttlSeconds: number,
    query: Readonly<Record<string, string>>,
  ): Promise<string> {
    const url = urlOf({ key, query: { ...query, 'X-Amz-Expires': String(ttlSeconds) } })
    return (await sign(method, url, {}, true)).url
  }

  function remember(id: string, signed: SignedUrl): void {
    signedUrls.delete(id)
    signedUrls.set(id, signed)
    const oldest = signedUrls.size > SIGNED_LIMIT ? signedUrls.keys().next() : null
    if (oldest?.done === false) signedUrls.delete(oldest.value)
  }

  async function sendOften(request: S3Request): Promise<RawResponse> {
    const { method, key, headers, signal } = request
    const id = `${method} ${key}`
    const kept = signedUrls.get(id)
    const isKept = kept !== undefined && kept.until > clock.now()
    const url = isKept ? kept.url : await signUrl(method, key, SIGNED_SECONDS, {})
    if (!isKept) remember(id, { url, until: clock.now() + SIGNED_SECONDS * 500 })
    const answer = await link.send({ url, method, headers, signal, answerMs: ANSWER_MS })
    if (answer.status !== 403 || !isKept) return answer
    // One of the clocks was set, or a proxy changed its mind: a fresh signature will tell.
    signedUrls.delete(id)
    await drain(answer)
    return sendOften(request)
  }

  async function once<T>(what: string, work: (action: string) => Promise<T>): Promise<T> {
    const action = `${what} in ${placeOf(options)}`
    try {
      return await work(action)
    } catch (error) {
      throw toS3Problem(error, action)
    }
  }

  return {
    async send({ method, headers = {}, body, signal, answerMs = ANSWER_MS, ...place }) {
      const signed = await sign(method, urlOf(place), headers, false)
      return link.send({ ...signed, method, body, signal, answerMs: answerMs ?? undefined })
    },
    sendOften,
    signUrl: (key, ttlSeconds, query) => signUrl('GET', key, ttlSeconds, query),
    repeat: (what, work, signal) => withRetries(clock, () => once(what, work), signal),
    once,
  }
}

/** How the bucket is named in messages. */
export function placeOf({ bucket, endpoint }: S3Options): string {
  return `S3 bucket ${bucket} at ${endpoint}`
}

/** Reads a successful answer to its end, and throws any other. */
export async function expectOk(answer: RawResponse, action: string): Promise<void> {
  if (answer.status < 200 || answer.status > 299) throw await problemOf(answer, action)
  await drain(answer)
}

/** The error that an answer tells of. */
export async function problemOf(answer: RawResponse, action: string): Promise<Problem> {
  const text = await textOf(answer)
  const [, code = null] = /<Code>([^<]*)<\/Code>/.exec(text) ?? []
  const [, message = ''] = /<Message>([^<]*)<\/Message>/.exec(text) ?? []
  return s3Problem(action, { status: answer.status, code, message })
}

/** To its end: then the connection can be used again. */
export async function drain(answer: RawResponse): Promise<void> {
  await textOf(answer)
}

function baseOf({ endpoint, bucket, isPathStyle }: S3Options): string {
  if (isPathStyle) return `${endpoint}/${bucket}`
  const { protocol, host } = new URL(endpoint)
  return `${protocol}//${bucket}.${host}`
}

/** All of a short answer. */
export async function textOf({ body }: RawResponse): Promise<string> {
  if (body === null) return ''
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  try {
    while (text.length < ANSWER_LIMIT_BYTES) {
      const { done, value } = await reader.read()
      if (done) return text
      text += decoder.decode(value, { stream: true })
    }
  } catch (error) {
    throw new Problem('upstream-broken', 'Cannot read: the answer broke off', {}, { cause: error })
  }
  await reader.cancel().catch(() => {})
  return text
}
