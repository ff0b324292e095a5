// Answers that are not the object, each with its cause in words and, where waiting helps, for how long.

import type { Format } from '../formats/format.ts'
import { Problem } from '../model/problem.ts'
import type { RepositorySettings } from '../model/repository.ts'
import type { Target } from '../model/target.ts'
import type { Outcome } from './repository.ts'

const RETRY_SECONDS = 5

/** The origin's own refusal, in a status that does not lie about whose it is: trouble is never a 404. */
export function negative(
  settings: RepositorySettings,
  target: Target,
  answer: { status: number; retryAfter: string | null; isRepeated: boolean },
): Outcome {
  const { status, retryAfter } = answer
  const said = `the origin of ${settings.name} answered ${status} for ${target.path}`
  const detail = { originStatus: status, remembered: answer.isRepeated }
  if (status === 404)
    return {
      kind: 'refused',
      how: 'negative',
      problem: new Problem('not-found', `Not found: ${said}`, detail),
    }
  if (status === 410)
    return { kind: 'refused', how: 'negative', problem: new Problem('gone', `Gone: ${said}`, detail) }
  if (status === 403 || status === 451) {
    return {
      kind: 'refused',
      how: 'negative',
      problem: new Problem('forbidden', `Refused by the origin: ${said}`, detail),
    }
  }
  const code =
    status === 429 || status === 503
      ? 'upstream-busy'
      : status === 504
        ? 'upstream-timeout'
        : 'upstream-status'
  const advice = status === 401 ? '; check the username and password of this repository' : ''
  return {
    kind: 'refused',
    how: 'negative',
    problem: new Problem(code, `Cannot fetch: ${said}${advice}`, detail),
    headers: { 'retry-after': retryAfter ?? String(RETRY_SECONDS) },
  }
}

export function withheld(
  settings: RepositorySettings,
  format: Format,
  target: Target,
  until: number,
): Outcome {
  const end = new Date(until).toISOString()
  const status = settings.quarantine?.status ?? format.quarantineStatus
  const reason = `${target.path} is younger than ${settings.quarantine?.days} days and held back until ${end}`
  return {
    kind: 'refused',
    how: 'denied',
    problem: new Problem(
      status === 403 ? 'forbidden' : 'not-found',
      `Withheld by the quarantine of ${settings.name}: ${reason}`,
      {
        rule: 'quarantine',
        until: end,
      },
    ),
    headers: { 'x-artifactapi-rule': 'quarantine', 'x-artifactapi-reason': reason },
  }
}

export function refusedBy(problem: Problem): Outcome {
  const seconds = problem.detail.retryAfterSeconds
  const isOrigin = problem.code.startsWith('upstream-')
  return {
    kind: 'refused',
    how: 'negative',
    problem,
    headers: isOrigin
      ? { 'retry-after': String(typeof seconds === 'number' ? seconds : RETRY_SECONDS) }
      : undefined,
  }
}
