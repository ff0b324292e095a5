// The caching proxy of one origin: a fresh copy is served, anything else is a flight that all who ask share.

import type { Catalog } from '../catalog/catalog.ts'
import type { Format } from '../formats/format.ts'
import { isFresh, type ObjectRow } from '../model/object.ts'
import { Problem, toProblem } from '../model/problem.ts'
import type { RepositorySettings } from '../model/repository.ts'
import type { Target } from '../model/target.ts'
import type { FlightJob, Flights, FlightView, Landing } from '../ports/flights.ts'
import type { Services } from '../services.ts'
import {
  coversStatus,
  freshUntil,
  isUnchanged,
  publishedAtOf,
  validatorsOf,
  withheldUntil,
} from './freshness.ts'
import { judge, type Verdict } from './gate.ts'
import { originHeadOf } from './origin-head.ts'
import { negative, refusedBy, withheld } from './refusals.ts'
import { findRemembered } from './remembered.ts'
import type { Outcome, Repository } from './repository.ts'
import type { Trip } from './trip.ts'

export interface RemoteParts {
  readonly services: Services
  readonly catalog: Catalog
  readonly flights: Flights
  readonly settings: RepositorySettings
  readonly format: Format
  readonly plan: (job: FlightJob) => Trip
}

export function createRemote(parts: RemoteParts): Repository {
  const { services, catalog, flights, settings, format } = parts
  const { clock, blobs, keyValue, log } = services

  async function read(target: Target, isHead: boolean): Promise<Outcome> {
    const verdict = judge(settings, target)
    if (verdict.refusal !== null) return { kind: 'refused', how: 'denied', problem: verdict.refusal }
    const row = await catalog.find(settings.name, target.key)
    if (row !== null) {
      const until = withheldUntil(settings, verdict.pathClass, row.publishedAt, clock.now())
      if (until !== null) return withheld(settings, format, target, until)
      if (isFresh(row, clock.now())) {
        const hit = await open(row, 'hit')
        if (hit !== null) return hit
      }
    }
    const remembered = await findRemembered(keyValue, settings.name, target.key)
    if (remembered?.kind === 'withheld' && clock.now() < remembered.until && settings.quarantine !== null) {
      return withheld(settings, format, target, remembered.until)
    }
    if (remembered?.kind === 'negative')
      return negative(settings, target, { status: remembered.status, retryAfter: null, isRepeated: true })
    try {
      return isHead ? await tell(target, verdict) : await fly(target)
    } catch (error) {
      return refusedBy(toProblem(error, 'internal', `Cannot fetch ${settings.name}/${target.key}`))
    }
  }

  /** The kept bytes; null, and forgotten, when they are not there or damaged. */
  async function open(
    row: ObjectRow,
    how: 'hit' | 'miss' | 'collapsed' | 'stale' | 'revalidated',
  ): Promise<Outcome | null> {
    const askedAt = clock.now()
    const blob = await blobs.open(row.sha256, row.size)
    if (blob === null) {
      log.warn(
        `Cannot serve ${row.repository}/${row.key}: its blob is gone or damaged; it is fetched again`,
        { sha256: row.sha256 },
      )
      // Not if somebody brought the same bytes just now.
      await blobs.remove(row.sha256, askedAt)
      await catalog.forget(row)
      return null
    }
    catalog.touch(row)
    return { kind: 'stored', how, row, blob }
  }

  async function fly(target: Target): Promise<Outcome> {
    for (let attempt = 0; ; attempt++) {
      const flight = await flights.join({ repository: settings.name, target })
      const outcome = await arrive(target, flight, await flight.landing)
      if (outcome !== null) return outcome
      if (attempt === 2)
        throw new Problem('store-broken', `Cannot serve ${settings.name}/${target.key}: its blob vanishes`)
    }
  }

  /** What a landing means for the one who asked; null = ask again. */
  async function arrive(target: Target, flight: FlightView, landing: Landing): Promise<Outcome | null> {
    switch (landing.kind) {
      case 'kept':
        return open(landing.row, landing.how === 'fresh' ? 'hit' : landing.how)
      case 'negative':
        return negative(settings, target, { ...landing, isRepeated: false })
      case 'withheld':
        return withheld(settings, format, target, landing.until)
      case 'body': {
        if (!flight.isOpen) return null
        const how = !flight.isLeader ? 'collapsed' : landing.isKept ? 'miss' : 'bypass'
        return { kind: 'flying', how, target, head: landing.head, flight, isKept: landing.isKept }
      }
    }
  }

  /** HEAD never starts a fill: what a running flight knows, else what the origin says now. */
  async function tell(target: Target, verdict: Verdict): Promise<Outcome> {
    const running = await flights.find({ repository: settings.name, target })
    if (running !== null) {
      const outcome = await arrive(target, running, await running.landing)
      if (outcome !== null) return outcome
    }
    const trip = parts.plan({ repository: settings.name, target })
    const row = await catalog.find(settings.name, target.key)
    try {
      const response = await trip.send('HEAD', row === null ? {} : validatorsOf(row))
      const head = originHeadOf(response.headers)
      if (row !== null && (response.status === 304 || (response.status === 200 && isUnchanged(row, head)))) {
        const now = clock.now()
        const fresh = { ...row, checkedAt: now, freshUntil: freshUntil(settings, verdict.pathClass, now) }
        await catalog.refresh(fresh)
        return (await open(fresh, 'revalidated')) ?? { kind: 'told', how: 'miss', target, head }
      }
      if (row !== null && coversStatus(settings.caching.staleOn, response.status)) {
        const stale = await open(row, 'stale')
        if (stale !== null) return stale
      }
      if (response.status !== 200) {
        return negative(settings, target, {
          status: response.status,
          retryAfter: response.headers.get('retry-after'),
          isRepeated: false,
        })
      }
      const until = withheldUntil(settings, verdict.pathClass, publishedAtOf(head), clock.now())
      if (until !== null) return withheld(settings, format, target, until)
      return { kind: 'told', how: 'miss', target, head }
    } catch (error) {
      const stale =
        row !== null && error instanceof Problem && error.isUnreachable ? await open(row, 'stale') : null
      if (stale === null) throw error
      return stale
    }
  }

  return { settings, format, read }
}
