// Problems as answers: text for package clients, in their format's dialect; RFC 9457 for the management API.

import type { Format } from '../formats/format.ts'
import { Problem } from '../model/problem.ts'
import { CHALLENGE } from './auth.ts'

export type ExtraHeaders = Readonly<Record<string, string>> | undefined

export function problemText(
  problem: Problem,
  isHead: boolean,
  format: Format | null,
  extra?: ExtraHeaders,
): Response {
  const shown = shownOf(problem)
  const refusal = format?.refuse(shown) ?? {
    status: shown.status,
    contentType: 'text/plain; charset=utf-8',
    body: `${shown.message}\n`,
  }
  return answer(refusal.status, refusal.contentType, refusal.body, isHead, problem, extra)
}

export function problemJson(problem: Problem, isHead: boolean, extra?: ExtraHeaders): Response {
  const shown = shownOf(problem)
  const body = JSON.stringify({
    type: `urn:artifactapi:problem:${shown.code}`,
    title: shown.code.replaceAll('-', ' '),
    status: shown.status,
    detail: shown.message,
    ...shown.detail,
  })
  return answer(shown.status, 'application/problem+json', body, isHead, problem, extra)
}

/** What went wrong inside is for the log, not for the client. */
function shownOf(problem: Problem): Problem {
  return problem.code === 'internal'
    ? new Problem('internal', 'Something went wrong inside; the log has the cause')
    : problem
}

function answer(
  status: number,
  contentType: string,
  text: string,
  isHead: boolean,
  problem: Problem,
  extra: ExtraHeaders,
): Response {
  const body = new TextEncoder().encode(text)
  const headers = new Headers({
    ...extra,
    'content-type': contentType,
    'content-length': String(body.byteLength),
  })
  headers.set('x-content-type-options', 'nosniff')
  if (problem.code === 'unauthorized') headers.set('www-authenticate', CHALLENGE)
  const allow = problem.detail.allow
  if (typeof allow === 'string') headers.set('allow', allow)
  return new Response(isHead ? null : body, { status: status === 499 ? 502 : status, headers })
}
