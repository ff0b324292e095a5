// A body that another process brings, passed on here while it comes. When that process is lost, it is gone on with at
// the byte where it stopped: behind the next one in front, or from the origin, with this process in front itself.

import type { ObjectRow, OriginHead } from '../model/object.ts'
import { Problem } from '../model/problem.ts'
import type { FlightJob, Landing } from '../ports/flights.ts'
import type { PeerFlight } from '../ports/peers.ts'
import { book } from './booking.ts'
import type { Behind, Convoy, Lead } from './convoy.ts'
import type { Resume } from './download.ts'
import { blameOrigin, Intake, type IntakeParts } from './intake.ts'
import { isStrong } from './origin-head.ts'
import type { Trip } from './trip.ts'

export interface Follower {
  readonly job: FlightJob
  readonly trip: Trip
  readonly place: Behind
  /** Called before `land` with a body. */
  onIntake(intake: Intake): void
  land(landing: Landing): void
}

type Parts = IntakeParts & { readonly convoy: Convoy }

/** Tells what was kept. `lost` when the other process went before it said what it brings. */
export async function followFlight(parts: Parts, follower: Follower): Promise<ObjectRow | null | 'lost'> {
  const { job, trip, place, onIntake, land } = follower
  const landing = await place.flight.landing.catch(unlessLost)
  if (landing === null) return 'lost'
  if (landing.kind !== 'body') {
    place.flight.cancel()
    land(landing)
    return landing.kind === 'kept' ? landing.row : null
  }
  const { head } = landing
  const name = `${job.repository}/${job.target.key}`
  const incoming = { name, head, expected: job.target.expected ?? [], isScratch: true }
  const intake = await Intake.open(parts, incoming)
  const following = createFollowing(parts, follower, head)
  onIntake(intake)
  land(landing)
  try {
    const isOurs = () => following.lead() !== null
    const committed = await intake.receive(place.flight.body(), following.resume, isOurs)
    const lead = following.lead()
    if (lead !== null)
      return await book(parts, { job, trip, head, intake, committed, lead, seen: following.seen() })
    const row = await following.row()
    await intake.adopt(row)
    return row
  } catch (error) {
    const problem = blameOrigin(error, name)
    intake.fail(problem)
    throw problem
  } finally {
    await following.lead()?.end()
  }
}

interface Following {
  readonly resume: Resume
  /** Not null once this process is in front, and has to keep what comes. */
  lead(): Lead | null
  /** The row as it was when this process came to the front. */
  seen(): ObjectRow | null
  /** After the end, where this process is not in front: what was kept. */
  row(): Promise<ObjectRow | null>
}

function createFollowing(parts: Parts, { job, trip, place }: Follower, head: OriginHead): Following {
  const { services, catalog, convoy } = parts
  let { leader, flight }: { leader: string; flight: PeerFlight } = place
  let lead: Lead | null = null
  let seen: ObjectRow | null = null
  let kept: ObjectRow | null = null

  /** What was kept while nobody was followed. */
  async function fromStore(
    row: ObjectRow | null,
    offset: number,
  ): Promise<ReadableStream<Uint8Array> | null> {
    if (row === null || !isSameBody(row, head)) return null
    const blob = await services.blobs.open(row.sha256, row.size)
    if (blob === null) return null
    kept = row
    return offset === row.size ? nothing() : blob.stream({ start: offset, end: row.size - 1 })
  }

  async function inFront(next: Lead, offset: number): Promise<ReadableStream<Uint8Array> | null> {
    seen = await catalog.look(job.repository, job.target.key)
    const stored = await fromStore(seen, offset)
    if (stored !== null) {
      await next.end()
      return stored
    }
    services.log.info(
      `Going on with ${job.repository}/${job.target.key} at byte ${offset}: who brought it is lost`,
    )
    lead = next
    return offset === head.size ? nothing() : trip.resume(head, offset)
  }

  async function behind(place: Behind, offset: number): Promise<ReadableStream<Uint8Array> | null> {
    const landing = await place.flight.landing
    if (landing.kind === 'kept') return fromStore(landing.row, offset)
    const isSame = place.leader === leader || (landing.kind === 'body' && isSameBody(landing.head, head))
    if (landing.kind !== 'body' || !isSame) return null
    leader = place.leader
    flight = place.flight
    return flight.body()
  }

  return {
    async resume(offset, problem) {
      if (lead !== null) return trip.resume(head, offset)
      // The flight itself failed: there is nobody to ask who would know better.
      if (problem.code !== 'peer-lost') return null
      for (;;) {
        const place = await convoy.join(job, offset)
        if (place.kind === 'front') return inFront(place.lead, offset)
        try {
          return await behind(place, offset)
        } catch (error) {
          unlessLost(error)
        }
      }
    },
    lead: () => lead,
    seen: () => seen,
    row: () => (kept === null ? flight.done : Promise.resolve(kept)),
  }
}

/** True only where the origin's own word for it is the same. */
function isSameBody(found: Pick<OriginHead, 'etag' | 'size'>, head: OriginHead): boolean {
  if (head.etag === null || !isStrong(head.etag) || found.etag !== head.etag) return false
  return head.size === null || found.size === null || found.size === head.size
}

function unlessLost(error: unknown): null {
  if (error instanceof Problem && error.code === 'peer-lost') return null
  throw error
}

function nothing(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: controller => controller.close() })
}
