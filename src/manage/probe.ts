// Tries an origin the way a request would go, and keeps nothing: what it answers, how fast, and whether the
// repository's patterns would let it pass.

import type { ProbeRequest } from '../model/manage-requests.ts'
import { Problem, toProblem } from '../model/problem.ts'
import type { PathClass } from '../model/target.ts'
import type { UpstreamResponse } from '../ports/upstream.ts'
import { judge } from '../repositories/gate.ts'
import { originHeadOf } from '../repositories/origin-head.ts'
import type { Repositories } from '../repositories/repositories.ts'
import { targetOf } from './targets.ts'

const SHOWN_HEADERS = [
  'accept-ranges',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'etag',
  'last-modified',
  'retry-after',
  'server',
  'www-authenticate',
]

export interface ProbeResult {
  readonly remote: string
  readonly path: string
  /** Where the answer came from, after redirects; else where it was looked for. */
  readonly url: string
  /** The origin was asked with GET only if it did not answer HEAD well. */
  readonly method: 'HEAD' | 'GET'
  /** Null: it did not answer; see `error`. */
  readonly status: number | null
  readonly error: string | null
  /** Until the headers came. */
  readonly milliseconds: number
  readonly size: number | null
  readonly headers: Readonly<Record<string, string>>
  readonly pathClass: PathClass
  readonly isAllowed: boolean
  /** Why it is not allowed. */
  readonly refusal: string | null
}

export async function probe(
  repositories: Repositories,
  { remote, path }: ProbeRequest,
  signal?: AbortSignal,
): Promise<ProbeResult> {
  const { services } = repositories
  const repository = repositories.open(remote)
  const { settings, format } = repository
  const { origin } = settings
  if (origin === null) {
    throw new Problem('unprocessable', `Cannot probe ${remote}: a ${settings.kind} repository has no origin`)
  }
  const target = targetOf(repository, path)
  const verdict = judge(settings, target)
  const source = format.locate(target, origin)
  const startedAt = services.clock.now()
  let method: 'HEAD' | 'GET' = 'HEAD'
  let response: UpstreamResponse | null = null
  let error: string | null = null
  try {
    response = await services.upstream.send({ ...source, method, origin, signal })
    if (response.status >= 400) {
      method = 'GET'
      response = await services.upstream.send({ ...source, method, origin, signal })
    }
    await response.body?.cancel()
  } catch (failure) {
    error = toProblem(failure, 'internal', `Cannot probe ${remote}/${target.path}`).message
  }
  return {
    remote,
    path: target.path,
    url: response?.url ?? source.url,
    method,
    status: error === null ? (response?.status ?? null) : null,
    error,
    milliseconds: services.clock.now() - startedAt,
    size: response === null ? null : originHeadOf(response.headers).size,
    headers: response === null ? {} : shownHeaders(response.headers),
    pathClass: verdict.pathClass,
    isAllowed: verdict.refusal === null,
    refusal: verdict.refusal?.message ?? null,
  }
}

function shownHeaders(headers: Headers): Record<string, string> {
  return Object.fromEntries(
    SHOWN_HEADERS.flatMap(name => {
      const value = headers.get(name)
      return value === null ? [] : [[name, value]]
    }),
  )
}
