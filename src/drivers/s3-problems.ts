// What goes wrong with an S3 server, as Problems: what it answered, or why no answer came, always with the bucket and
// never with a signature. What may go well the next time is tried again, a few times, with growing pauses.

import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'

export interface S3Failure {
  readonly status: number
  /** The server's own code, such as `NoSuchKey`; null where it told none. */
  readonly code: string | null
  readonly message?: string
}

const FULL_CODES: readonly string[] = [
  'QuotaExceeded',
  'StorageQuotaExceeded',
  'InsufficientStorage',
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
]
const PASSING_STATUSES: readonly number[] = [408, 429, 500, 502, 503, 504]
const PASSING_CODES: readonly string[] = [
  'RequestTimeTooSkewed',
  'RequestTimeout',
  'SlowDown',
  'InternalError',
]

/** Before the second attempt, the third … */
const PAUSES_MS: readonly number[] = [100, 400, 1200, 2000]
/** Nobody listens: whoever asks shall hear it soon. */
const REFUSED_ATTEMPTS = 3
/** Later than this after the beginning nothing is tried again: a network that swallows everything costs each attempt its whole time. */
const RETRY_WITHIN_MS = 8_000

/** The error that an answer is. */
export function s3Problem(action: string, { status, code, message }: S3Failure): Problem {
  const isFull = status === 507 || (code !== null && FULL_CODES.includes(code))
  const words = [String(status), code ?? '', message ? `(${message})` : ''].filter(word => word !== '')
  return new Problem(isFull ? 'store-full' : 'store-broken', `${action}: it answers ${words.join(' ')}`, {
    s3Status: status,
    s3Code: code,
    isPassing: !isFull && (PASSING_STATUSES.includes(status) || PASSING_CODES.includes(code ?? '')),
  })
}

/** Whatever was thrown on the way there. */
export function toS3Problem(error: unknown, action: string): Problem {
  if (error instanceof Problem && !error.code.startsWith('upstream-')) return error
  const text = error instanceof Error ? error.message : String(error)
  // A hop names its URL before its reason; the action names the place already.
  const reason = error instanceof Problem ? text.slice(text.indexOf(': ') + 2) : text
  const failure = error instanceof Problem ? (error.detail.failure ?? null) : null
  const isPassing = error instanceof Problem && failure !== 'tls' && failure !== 'unknown-name'
  return new Problem('store-broken', `${action}: ${reason}`, { failure, isPassing }, { cause: error })
}

export function isPassing(error: unknown): boolean {
  return error instanceof Problem && error.detail.isPassing === true
}

/** The status of the answer that the problem is; null when it is something else. */
export function statusOf(error: unknown): number | null {
  const status = error instanceof Problem ? error.detail.s3Status : null
  return typeof status === 'number' ? status : null
}

/** Does `work` again while it fails with what may pass, until `signal` aborts. It must be harmless to do twice. */
export async function withRetries<T>(clock: Clock, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const beganAt = clock.now()
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      const pauseMs = PAUSES_MS[attempt - 1]
      const isRefused = error instanceof Problem && error.detail.failure === 'refused'
      const isLate = clock.now() - beganAt > RETRY_WITHIN_MS
      if (pauseMs === undefined || isLate || !isPassing(error)) throw error
      if (isRefused && attempt >= REFUSED_ATTEMPTS) throw error
      await clock.sleep(pauseMs * (0.5 + Math.random()), signal)
      if (signal?.aborted) throw error
    }
  }
}
