// Moves all of a store into another one while both are in use. A blob first, announced and verified, then its row: the
// target never has a row without bytes, wherever this ends. What is there already is not copied again, so that a run
// which was broken off, and every later one, goes on. Rows that are newer in the target stay.

import type { KnownBlob, ListedObject } from '../catalog/catalog.ts'
import type { Clock } from '../ports/clock.ts'
import { createTurns, workThrough } from './crew.ts'
import { compareStocks, type Difference, isSameObject } from './differences.ts'
import { createMoveGauge, type MoveGauge, type MoveProgress } from './move-gauge.ts'
import {
  chunksOf,
  commitTo,
  createPatience,
  faultOf,
  isHeld,
  isStillNamed,
  MOST_FAULTS,
  type ObjectFault,
  openSource,
  SourceFault,
  type Store,
  stageFor,
  tooManyFaults,
} from './stores.ts'

const AT_ONCE = 8
/** A source that is written to all the time has no end. */
const MOST_PASSES = 10
const USES_AT_ONCE = 500

export interface Transfer {
  readonly from: Store
  readonly to: Store
  /** The bytes of both lie in one place: only rows are copied. */
  readonly hasSameBlobs: boolean
  readonly clock: Clock
  report(progress: MoveProgress): void
  /** Hears of each object whose bytes are wrong or missing in the source, once. */
  fault(fault: ObjectFault): void
}

export interface Transferred {
  /** Rows that were written. */
  readonly objects: number
  /** Of the source, that are older than those of the target. */
  readonly outdated: number
  readonly blobs: number
  readonly bytes: number
  readonly faults: number
  readonly repositories: number
  readonly secrets: number
  /** Names of secrets that the target had already, with other values. */
  readonly keptSecrets: readonly string[]
  /** Epoch ms: what was written to the source before is in the target. */
  readonly asOf: number
  /** False when the source changed all the time, and nobody waited for its last changes. */
  readonly isSettled: boolean
}

interface Tally {
  objects: number
  outdated: number
  blobs: number
  bytes: number
}

export async function transfer(given: Transfer): Promise<Transferred> {
  const { from, to } = given
  const tally: Tally = { objects: 0, outdated: 0, blobs: 0, bytes: 0 }
  const gauge = createMoveGauge(given.report)
  const copier = createCopier(given, tally, gauge)
  const inTurn = createTurns()
  const faulty = new Set<string>()
  let repositories = 0
  let secrets = 0
  let outdated = 0

  async function pass(number: number): Promise<boolean> {
    gauge.begin(number, await from.stock.totals())
    const before = tally.objects
    const uses: ListedObject[] = []
    const placeUses = () => to.stock.placeUses(uses.splice(0))
    outdated = 0
    await workThrough(compareStocks(from.stock, to.stock), AT_ONCE, async difference => {
      await bring(difference, number === 1)
      if (isUsedLater(difference)) uses.push(difference.row)
      if (uses.length >= USES_AT_ONCE) await placeUses()
      gauge.count(1, difference.row.size)
    })
    await placeUses()
    for (const each of await from.stock.repositories())
      if (await to.stock.placeRepository(each)) repositories++
    for (const each of await from.stock.secrets()) if (await to.stock.placeSecret(each)) secrets++
    return tally.objects === before
  }

  async function bring({ row, theirs }: Difference, isFirst: boolean): Promise<void> {
    if (theirs !== null && theirs.checkedAt > row.checkedAt) {
      outdated++
      return
    }
    const isThere = theirs !== null && isSameObject(row, theirs)
    const name = `${row.repository}/${row.key}`
    if ((isThere && !isFirst) || faulty.has(`${name} ${row.sha256}`)) return
    // Until an object names them, bytes are held by nobody, and would be copied again.
    await inTurn(row.sha256, async () => {
      try {
        const isCopied = await copier.copy(row)
        if (isThere && !isCopied) return
        if (await to.stock.place(row)) tally.objects++
        else outdated++
      } catch (error) {
        if (!(error instanceof SourceFault)) throw error
        await note(row, error)
      }
    })
  }

  async function note(row: ListedObject, { fault }: SourceFault): Promise<void> {
    if (!(await isStillNamed(from, row))) return
    faulty.add(`${row.repository}/${row.key} ${row.sha256}`)
    given.fault(faultOf(row, fault))
    if (faulty.size >= MOST_FAULTS) throw tooManyFaults()
  }

  for (let number = 1; ; number++) {
    const asOf = given.clock.now()
    const isSettled = await pass(number)
    // A pass that finds nothing new proves the one before it whole.
    if (!isSettled && number < MOST_PASSES) continue
    const keptSecrets = await differingSecrets(from, to)
    return { ...tally, outdated, faults: faulty.size, repositories, secrets, keptSecrets, asOf, isSettled }
  }
}

/** Copies blobs that are not there. */
function createCopier({ from, to, hasSameBlobs }: Transfer, tally: Tally, gauge: MoveGauge) {
  const faults = new Map<string, SourceFault>()
  const beInPatience = createPatience()

  async function attempt(sha256: string, size: number): Promise<void> {
    const passing = gauge.openBlob()
    let isKept = false
    try {
      await copyBlob(from, to, { sha256, size }, bytes => passing.pass(bytes))
      isKept = true
      beInPatience(null)
    } catch (error) {
      if (error instanceof SourceFault) {
        beInPatience(error)
        faults.set(sha256, error)
      }
      throw error
    } finally {
      passing.end(isKept)
    }
  }

  return {
    /** False when it was there. Throws a `SourceFault`. */
    async copy({ sha256, size }: ListedObject): Promise<boolean> {
      const fault = faults.get(sha256)
      if (fault !== undefined) throw fault
      if (hasSameBlobs) await openSource(from.blobs, sha256, size)
      if (hasSameBlobs || (await isHeld(to, sha256, size))) return false
      await attempt(sha256, size)
      tally.blobs++
      tally.bytes += size
      return true
    },
  }
}

async function copyBlob(
  from: Store,
  to: Store,
  { sha256, size }: KnownBlob,
  pass: (bytes: number) => void,
): Promise<void> {
  const blob = await openSource(from.blobs, sha256, size)
  const stage = await stageFor(to, sha256, size)
  try {
    for await (const chunk of chunksOf(blob)) {
      const { byteLength } = chunk
      await stage.write(chunk)
      pass(byteLength)
    }
    await commitTo(to, stage)
  } finally {
    await stage.discard()
    await stage.close?.()
  }
}

function isUsedLater({ row, theirs }: Difference): boolean {
  return theirs !== null && (row.accessedAt > theirs.accessedAt || row.hits > theirs.hits)
}

async function differingSecrets(from: Store, to: Store): Promise<string[]> {
  const theirs = new Map((await to.stock.secrets()).map(({ name, value }) => [name, value]))
  const differing = (await from.stock.secrets()).filter(({ name, value }) => theirs.get(name) !== value)
  return differing.map(({ name }) => name)
}
