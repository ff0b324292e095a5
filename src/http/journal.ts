// One line in the log and one tick in the figures for every request, written when its answer is known, or, where a
// body streams, when it ended.

import type { EventHub } from '../manage/events.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { Meter } from '../ports/meter.ts'
import type { CacheOutcome } from '../repositories/repository.ts'

export interface Client {
  /** Null where the runtime cannot tell. */
  readonly address: string | null
}

export interface Exchange {
  readonly id: string
  readonly startedAt: number
  readonly method: string
  readonly rawTarget: string
  /** Method, path and client as JSON fields. */
  readonly facts: string
}

export interface PackageEntry {
  readonly repo: string
  readonly format: string
  readonly outcome: CacheOutcome
  readonly status: number
  readonly bytes: number
  /** The client left, or the body broke, before its end. */
  readonly isCut?: boolean
}

export interface Journal {
  open(request: Request, rawTarget: string, client: Client | undefined): Exchange
  package(exchange: Exchange, entry: PackageEntry): void
  other(exchange: Exchange, status: number): void
  nextId(): string
}

/** Operators grep for `Cache HIT` and `Cache MISS`. */
export const MESSAGES: Readonly<Record<CacheOutcome, string>> = {
  hit: 'Cache HIT',
  stale: 'Cache HIT (stale)',
  revalidated: 'Cache HIT (revalidated)',
  miss: 'Cache MISS',
  collapsed: 'Cache MISS (collapsed)',
  bypass: 'Cache MISS (not kept)',
  negative: 'Cache MISS (negative)',
  denied: 'Cache DENIED',
}

export interface JournalParts {
  readonly log: Log
  readonly meter: Meter
  readonly clock: Clock
  readonly events: EventHub
}

export function createJournal({ log, meter, clock, events }: JournalParts): Journal {
  const series = clock.now().toString(36)
  let count = 0
  const nextId = () => `${series}-${(++count).toString(36)}`

  return {
    nextId,
    open: (request, rawTarget, client) => ({
      id: nextId(),
      startedAt: clock.now(),
      method: request.method,
      rawTarget,
      facts: factsOf(request.method, rawTarget, client),
    }),
    package(exchange, { repo, format, outcome, status, bytes, isCut }) {
      meter.counter('artifactapi_requests_total', { repo, format, outcome }).value++
      meter.counter('artifactapi_client_bytes_total', { repo }).value += bytes
      const milliseconds = clock.now() - exchange.startedAt
      if (events.isHeard) {
        const { id: requestId, method, rawTarget } = exchange
        const path = withoutQuery(rawTarget)
        events.publish({
          kind: 'request',
          requestId,
          method,
          repository: repo,
          path,
          status,
          outcome,
          bytes,
          milliseconds,
        })
      }
      log.line(
        MESSAGES[outcome],
        `"id":"${exchange.id}",${exchange.facts},${repoFacts(repo, format, outcome)},"status":${status},"bytes":${bytes},"ms":${milliseconds}${isCut ? ',"cut":true' : ''}`,
      )
    },
    other(exchange, status) {
      log.line(
        'Request',
        `"id":"${exchange.id}",${exchange.facts},"status":${status},"ms":${clock.now() - exchange.startedAt}`,
      )
    },
  }
}

/** The query is left out: it may carry secrets of the client's. */
export function factsOf(method: string, rawTarget: string, client: Client | undefined): string {
  const path = JSON.stringify(withoutQuery(rawTarget))
  const address = client?.address == null ? '' : `,"client":${JSON.stringify(client.address)}`
  return `"method":${JSON.stringify(method)},"path":${path}${address}`
}

export function repoFacts(repo: string, format: string, outcome: CacheOutcome): string {
  return `"repo":${JSON.stringify(repo)},"format":${JSON.stringify(format)},"outcome":"${outcome}"`
}

function withoutQuery(rawTarget: string): string {
  const mark = rawTarget.indexOf('?')
  return mark === -1 ? rawTarget : `${rawTarget.slice(0, mark)}?…`
}
