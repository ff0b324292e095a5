// What went wrong on a hop, in one vocabulary for all runtimes: their error codes in, a Problem out.
// The runtimes' own messages stay out of it: some of them quote the whole URL, and a signed URL is a secret.

import { Problem, type ProblemCode } from '../model/problem.ts'
import type { HopFailure } from '../ports/transport.ts'

/** A hop that failed before its headers, as the Problem every transport throws. */
export function hopProblem(url: string, failure: HopFailure, reason?: string): Problem {
  const { code, words } = MEANING[failure]
  const why = reason === undefined || reason === '' ? words : `${words} (${reason})`
  return new Problem(code, `Cannot fetch ${showUrl(url)}: ${why}`, { failure, host: new URL(url).host })
}

/** The same for whatever a runtime's client threw. */
export function toHopProblem(url: string, error: unknown): Problem {
  if (error instanceof Problem) return error
  const code = codeOf(error)
  return hopProblem(url, failureOf(code), code)
}

/** What a transport or a resolver said went wrong; null = something else did. */
export function failureIn(problem: Problem): HopFailure | null {
  const { failure } = problem.detail
  return typeof failure === 'string' && failure in MEANING ? (failure as HopFailure) : null // checked by `in`
}

/** A URL as it may be shown: no credentials, and no query, which may be a signature. */
export function showUrl(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

const MEANING: Readonly<Record<HopFailure, { code: ProblemCode; words: string }>> = {
  'unknown-name': { code: 'upstream-unreachable', words: 'the host name has no address' },
  'no-names': { code: 'upstream-unreachable', words: 'host names cannot be resolved now' },
  refused: { code: 'upstream-unreachable', words: 'the connection was refused' },
  'slow-connect': { code: 'upstream-timeout', words: 'no connection in time' },
  tls: { code: 'upstream-unreachable', words: 'no trusted TLS connection' },
  reset: { code: 'upstream-broken', words: 'the connection was closed before an answer' },
  malformed: { code: 'upstream-broken', words: 'the answer is not HTTP that can be used' },
}

const FAILURE_OF_CODE: readonly (readonly [RegExp, HopFailure])[] = [
  [/^(ENOTFOUND|ENODATA|EAI_NONAME|EAI_NODATA)$/, 'unknown-name'],
  [/^(EAI_|ESERVFAIL|ETIMEOUT|EREFUSED)/, 'no-names'],
  [/^(ETIMEDOUT|UND_ERR_CONNECT_TIMEOUT)$/, 'slow-connect'],
  [/^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_|EPROTO|ERR_OSSL)/, 'tls'],
  [/^(ECONNRESET|EPIPE|UND_ERR_SOCKET|ConnectionClosed)$/, 'reset'],
  [/^(HPE_|UND_ERR_HEADERS|Malformed_|ResponseHeadersTooLarge|HTTPParserError|UND_ERR_)/, 'malformed'],
]

function failureOf(code: string): HopFailure {
  return FAILURE_OF_CODE.find(([pattern]) => pattern.test(code))?.[1] ?? 'refused'
}

/** The first code in the chain of causes, else the name of the error. */
function codeOf(error: unknown): string {
  let link = error
  for (let depth = 0; depth < 4 && link instanceof Error; depth++) {
    if ('code' in link && typeof link.code === 'string') return link.code
    link = link.cause
  }
  return error instanceof Error ? error.name : 'unknown'
}
