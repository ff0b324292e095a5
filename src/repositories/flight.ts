// One flight: what one request to the origin brings for all who want the same object. It decides by what is known
// and by what the origin says, lands (body on its way, copy kept, negative, withheld), and records what it kept.

import type { Catalog } from '../catalog/catalog.ts'
import type { Format } from '../formats/format.ts'
import { isFresh, type ObjectRow, type OriginHead } from '../model/object.ts'
import { type Problem, toProblem } from '../model/problem.ts'
import type { FlightJob, Landing, RunningFlight } from '../ports/flights.ts'
import type { UpstreamResponse } from '../ports/upstream.ts'
import type { Services } from '../services.ts'
import { book } from './booking.ts'
import type { Breaker } from './breaker.ts'
import { type Behind, type Convoy, FREELY } from './convoy.ts'
import type { Directory } from './directory.ts'
import { followFlight } from './following.ts'
import {
  coversStatus,
  freshUntil,
  isUnchanged,
  publishedAtOf,
  validatorsOf,
  withheldUntil,
} from './freshness.ts'
import { blameOrigin, Intake } from './intake.ts'
import { bodyDigestsOf, originHeadOf } from './origin-head.ts'
import { findRemembered, remember } from './remembered.ts'
import type { StoreRoom } from './store-room.ts'
import { planTrip, type Trip } from './trip.ts'

/** How long a body waits to be whole while a copy at hand could stand in for it. */
const HOLD_MS = 2_000

export interface FlightParts {
  readonly services: Services
  readonly formats: ReadonlyMap<string, Format>
  readonly catalog: Catalog
  readonly directory: Directory
  readonly breaker: Breaker
  readonly convoy: Convoy
  readonly room: StoreRoom
}

/** Starts flights. The same job may be started anywhere: it is looked up anew where it flies. */
export function createFlightDeck(parts: FlightParts): (job: FlightJob) => RunningFlight {
  return job => new Flight(parts, job)
}

class Flight implements RunningFlight {
  readonly landing: Promise<Landing>
  readonly done: Promise<ObjectRow | null>
  readonly #parts: FlightParts
  readonly #job: FlightJob
  readonly #name: string
  #land: (landing: Landing) => void = () => {}
  #intake: Intake | null = null
  #isFollowing = false
  /** The row as it was when this process came to the front. */
  #seen: ObjectRow | null = null
  #lead = FREELY

  constructor(parts: FlightParts, job: FlightJob) {
    this.#parts = parts
    this.#job = job
    this.#name = `${job.repository}/${job.target.key}`
    const landed = new Promise<Landing>(resolve => {
      this.#land = resolve
    })
    this.done = this.#fly()
    // Whoever waits for the landing hears of a failure before it, and nobody is obliged to wait for either.
    this.landing = Promise.race([landed, this.done.then(() => landed)])
    this.landing.catch(() => {})
    this.done.catch(() => {})
  }

  get isFollowing(): boolean {
    return this.#isFollowing
  }

  get isOpen(): boolean {
    return this.#intake?.isOpen ?? true
  }

  get arrived(): number {
    return this.#intake?.arrived ?? 0
  }

  get rate(): number {
    return this.#intake?.rate ?? 0
  }

  body(start = 0, end?: number): ReadableStream<Uint8Array> | null {
    return this.#intake?.body(start, end) ?? null
  }

  async #fly(): Promise<ObjectRow | null> {
    const { directory, services, convoy } = this.#parts
    await directory.ready()
    const trip = planTrip(this.#parts, this.#job)
    for (;;) {
      const place = await convoy.join(this.#job, 0)
      if (place.kind === 'front') {
        this.#lead = place.lead
        const makeWay = () => services.background.run('make way', place.lead.end())
        return this.#bring(trip).finally(makeWay)
      }
      const outcome = await this.#follow(trip, place)
      if (outcome !== 'lost') return outcome
    }
  }

  /** In front: what is known, else what the origin says. */
  async #bring(trip: Trip): Promise<ObjectRow | null> {
    const { services, convoy } = this.#parts
    const row = await this.#findCopy()
    this.#seen = row
    if (row !== null && isFresh(row, services.clock.now())) return this.#keep(row, 'fresh')
    if (convoy.isShared && (await this.#isTurnedDown())) return null
    try {
      return await this.#ask(trip, row)
    } catch (error) {
      const problem = toProblem(error, 'internal', `Cannot fetch ${this.#name}`)
      if (!problem.isUnreachable || this.#intake !== null) throw problem // a body that broke off is not a dead origin
      return this.#makeDo(trip, row, problem)
    }
  }

  /** Somebody else may have asked while this process waited for its turn. */
  async #isTurnedDown(): Promise<boolean> {
    const { repository, target } = this.#job
    const found = await findRemembered(this.#parts.services.keyValue, repository, target.key)
    if (found?.kind !== 'negative') return false
    this.#land({ ...found, retryAfter: null, isRemembered: true })
    return true
  }

  /** The row at hand, if its bytes are. */
  async #findCopy(): Promise<ObjectRow | null> {
    const { catalog, services } = this.#parts
    const row = await catalog.look(this.#job.repository, this.#job.target.key)
    if (row === null || (await services.blobs.open(row.sha256, row.size)) !== null) return row
    await catalog.forget(row)
    return null
  }

  async #ask(trip: Trip, row: ObjectRow | null): Promise<ObjectRow | null> {
    if (row !== null && trip.settings.caching.checkMutableUpdates && trip.verdict.isUserMutable) {
      const validators = validatorsOf(row)
      if (Object.keys(validators).length > 0) {
        const response = await trip.send('HEAD', validators)
        if (response.status === 304) return this.#refresh(trip, row, originHeadOf(response.headers))
        const head = originHeadOf(response.headers)
        if (response.status === 200 && isUnchanged(row, head)) return this.#refresh(trip, row, head)
        return this.#settle(trip, row, await trip.send('GET', {}))
      }
    }
    return this.#settle(trip, row, await trip.send('GET', row === null ? {} : validatorsOf(row)))
  }

  async #settle(trip: Trip, row: ObjectRow | null, response: UpstreamResponse): Promise<ObjectRow | null> {
    const head = originHeadOf(response.headers)
    if (response.status === 200) return this.#receive(trip, row, response, head)
    await response.body?.cancel()
    if (response.status === 304 && row !== null) return this.#refresh(trip, row, head)
    return this.#refuse(trip, row, response)
  }

  /** The origin answered, but not with the object. */
  async #refuse(trip: Trip, row: ObjectRow | null, response: UpstreamResponse): Promise<ObjectRow | null> {
    const { catalog, services } = this.#parts
    const { repository, target } = this.#job
    const { caching } = trip.settings
    const { status } = response
    if (row !== null && coversStatus(caching.staleOn, status)) {
      services.log.warn(
        `Cannot refresh ${this.#name}: its origin answered ${status}; the copy at hand is served`,
        { repository },
      )
      return this.#stale(trip, row)
    }
    const isGone = status === 404 || status === 410
    if (isGone) {
      if (row !== null) await catalog.forget(row)
      const ttlSeconds = caching.negativeTtlSeconds ?? trip.format.negativeTtlSeconds
      await remember(services.keyValue, repository, target.key, { kind: 'negative', status }, ttlSeconds)
    }
    this.#land({
      kind: 'negative',
      status,
      retryAfter: response.headers.get('retry-after'),
      isRemembered: isGone,
    })
    return null
  }

  async #receive(
    trip: Trip,
    row: ObjectRow | null,
    response: UpstreamResponse,
    head: OriginHead,
  ): Promise<ObjectRow | null> {
    // Some runtimes give an empty body as none.
    const body = response.body ?? new Blob([]).stream()
    const publishedAt = publishedAtOf(head)
    if (await this.#withhold(trip, publishedAt)) {
      await body.cancel()
      return null
    }
    const expected = [...(this.#job.target.expected ?? []), ...bodyDigestsOf(response.headers)]
    const { repository } = this.#job
    const intake = await Intake.open(this.#parts, { name: this.#name, head, expected })
    this.#intake = intake
    const takeOff = () => this.#land({ kind: 'body', head, isKept: intake.isKept })
    // With a copy at hand, a transfer that breaks at once is answered with the copy: the body waits a moment.
    if (row === null) takeOff()
    else void this.#parts.services.clock.sleep(HOLD_MS).then(takeOff)
    try {
      const committed = await intake.receive(body, offset => trip.resume(head, offset))
      const brought = { job: this.#job, trip, head, intake, committed, lead: this.#lead, seen: this.#seen }
      const kept = await book(this.#parts, brought)
      takeOff()
      return kept
    } catch (error) {
      const problem = blameOrigin(error, this.#name)
      intake.fail(problem)
      if (row !== null && problem.isUnreachable) return this.#makeDo(trip, row, problem)
      this.#parts.services.log.warn(problem.message, { repository, problem: problem.code })
      throw problem
    }
  }

  /** Behind another process: what it brings is passed on. `lost` when it went before anything was known. */
  #follow(trip: Trip, place: Behind): Promise<ObjectRow | null | 'lost'> {
    const onIntake = (intake: Intake) => {
      this.#intake = intake
      this.#isFollowing = true
    }
    return followFlight(this.#parts, { job: this.#job, trip, place, onIntake, land: this.#land })
  }

  async #withhold(trip: Trip, publishedAt: number | null): Promise<boolean> {
    const { keyValue, clock } = this.#parts.services
    const now = clock.now()
    const until = withheldUntil(trip.settings, trip.verdict.pathClass, publishedAt, now)
    if (until === null) return false
    const { repository, target } = this.#job
    const reason = `published ${new Date(publishedAt ?? 0).toISOString()}, held back for ${trip.settings.quarantine?.days} days`
    const what = { kind: 'withheld', until, reason } as const
    await remember(keyValue, repository, target.key, what, Math.ceil((until - now) / 1000))
    this.#land(what)
    return true
  }

  /** An origin that cannot be reached: the copy at hand has to do, if there is one. */
  async #makeDo(trip: Trip, row: ObjectRow | null, problem: Problem): Promise<ObjectRow> {
    const { repository } = this.#job
    const instead = row === null ? '' : '; the copy at hand is served'
    this.#parts.services.log.warn(`${problem.message}${instead}`, { repository, problem: problem.code })
    if (row === null) throw problem
    return this.#stale(trip, row)
  }

  async #stale(trip: Trip, row: ObjectRow): Promise<ObjectRow> {
    const { services } = this.#parts
    return this.#update(
      { ...row, freshUntil: freshUntil(trip.settings, trip.verdict.pathClass, services.clock.now()) },
      'stale',
    )
  }

  async #refresh(trip: Trip, row: ObjectRow, head: OriginHead): Promise<ObjectRow> {
    const now = this.#parts.services.clock.now()
    const { pathClass } = trip.verdict
    return this.#update(
      {
        ...row,
        pathClass,
        checkedAt: now,
        freshUntil: freshUntil(trip.settings, pathClass, now),
        etag: head.etag ?? row.etag,
        lastModified: head.lastModified ?? row.lastModified,
      },
      'revalidated',
    )
  }

  async #update(row: ObjectRow, how: 'revalidated' | 'stale'): Promise<ObjectRow> {
    const { services, catalog } = this.#parts
    try {
      await catalog.refresh(row)
    } catch (error) {
      services.log.error(`Cannot record that ${this.#name} was checked`, { error })
    }
    return this.#keep(row, how)
  }

  #keep(row: ObjectRow, how: 'fresh' | 'revalidated' | 'stale'): ObjectRow {
    this.#land({ kind: 'kept', row, how })
    return row
  }
}
