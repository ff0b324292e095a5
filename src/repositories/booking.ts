// Writes down what a flight brought, unless another process took over meanwhile and wrote down its own: then that
// counts, and what this one brought serves only those who were reading it.

import type { Catalog } from '../catalog/catalog.ts'
import type { ObjectRow, OriginHead } from '../model/object.ts'
import type { Committed } from '../ports/blob-store.ts'
import type { FlightJob } from '../ports/flights.ts'
import type { Services } from '../services.ts'
import type { Lead } from './convoy.ts'
import { freshUntil, publishedAtOf } from './freshness.ts'
import type { Intake } from './intake.ts'
import type { Trip } from './trip.ts'

export interface Brought {
  readonly job: FlightJob
  readonly trip: Trip
  readonly head: OriginHead
  readonly intake: Intake
  /** Null when nothing was kept. */
  readonly committed: Committed | null
  readonly lead: Lead
  /** The row as it was when this process came to the front. */
  readonly seen: ObjectRow | null
}

/** Tells the row that counts now; null when there is none. */
export async function book(
  parts: { readonly services: Services; readonly catalog: Catalog },
  brought: Brought,
): Promise<ObjectRow | null> {
  const { catalog, services } = parts
  const { intake, committed, lead, seen, job } = brought
  if (committed === null) return intake.complete(null)
  const isInFront = await lead.confirm()
  const theirs = isInFront ? null : await catalog.look(job.repository, job.target.key)
  if (theirs === null || isSameRow(theirs, seen))
    return intake.complete(rowOf(brought, committed, services.clock.now()))
  services.log.warn(
    `Not recording ${job.repository}/${job.target.key}: another process took over and was faster`,
  )
  await intake.adopt(committed)
  return theirs
}

function rowOf({ job, trip, head }: Brought, { sha256, size }: Committed, now: number): ObjectRow {
  const { target, repository } = job
  const { pathClass } = trip.verdict
  return {
    ...head,
    repository,
    key: target.key,
    path: target.path,
    fileName: target.fileName,
    pathClass,
    sha256,
    size,
    storedAt: now,
    checkedAt: now,
    freshUntil: freshUntil(trip.settings, pathClass, now),
    publishedAt: publishedAtOf(head),
    isPinned: false,
  }
}

function isSameRow(row: ObjectRow, seen: ObjectRow | null): boolean {
  return row.sha256 === seen?.sha256 && row.checkedAt === seen.checkedAt
}
