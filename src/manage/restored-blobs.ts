// The blobs of a backup on their way into a store. The bytes come first and are put aside; they are kept when rows
// follow that name them, and the rows are when the bytes were right. Several are committed while the next one is read.

import type { ListedObject } from '../catalog/catalog.ts'
import type { Stage } from '../ports/blob-store.ts'
import { createCrew } from './crew.ts'
import type { MoveGauge, OpenBlob } from './move-gauge.ts'
import { commitTo, faultOf, isHeld, type ObjectFault, SourceFault, type Store, stageFor } from './stores.ts'

const AT_ONCE = 8

export interface RestoredBlobs {
  /** The next blob, in place of the one before. */
  begin(sha256: string, size: number, chunks: AsyncGenerator<Uint8Array>): Promise<void>
  /** True when these rows are of the blob that was begun last. */
  isOf(sha256: string, rows: readonly ListedObject[]): boolean
  /** Keeps the blob that was begun last, and its rows; goes on meanwhile. */
  keep(rows: readonly ListedObject[]): Promise<void>
  /** When all is read; fails with what failed. */
  finish(): Promise<void>
  /** When nothing more is read: ends what was begun. Never fails. */
  abandon(): Promise<void>
  /** Of those that were kept, whether their bytes were right or not. */
  readonly seen: { readonly objects: number; readonly blobs: number; readonly bytes: number }
  readonly written: { readonly objects: number; readonly blobs: number; readonly bytes: number }
  readonly outdated: number
  readonly faults: number
}

interface Pending {
  readonly sha256: string
  readonly size: number
  /** Null when the store has it. */
  readonly stage: Stage | null
  readonly passing: OpenBlob
  /** Rows followed. */
  isSeen?: boolean
  /** Once it is being kept: false when its bytes are wrong. */
  isGood?: Promise<boolean>
}

export interface RestoredBlobsParts {
  readonly to: Store
  /** False where the store is known to have nothing of it. */
  readonly mayBeThere: boolean
  readonly gauge: MoveGauge
  fault(fault: ObjectFault): void
}

export function createRestoredBlobs({ to, mayBeThere, gauge, fault }: RestoredBlobsParts): RestoredBlobs {
  const crew = createCrew(AT_ONCE)
  const seen = { objects: 0, blobs: 0, bytes: 0 }
  const written = { objects: 0, blobs: 0, bytes: 0 }
  let current: Pending | null = null
  let outdated = 0
  let faults = 0

  async function fill({ stage, passing }: Pending, chunks: AsyncGenerator<Uint8Array>): Promise<void> {
    if (stage === null) return
    try {
      for await (const chunk of chunks) {
        // The reader goes on with the rest of the same memory.
        await stage.write(chunk.slice())
        passing.pass(chunk.byteLength)
      }
    } catch (error) {
      await drop(stage)
      throw error
    }
  }

  async function leave(): Promise<void> {
    const left = current
    current = null
    if (left === null || left.isGood !== undefined) return
    left.passing.end(false)
    if (left.stage !== null) await drop(left.stage)
  }

  async function commit({ stage, size }: Pending): Promise<boolean> {
    if (stage === null) return true
    try {
      await commitTo(to, stage)
    } catch (error) {
      if (error instanceof SourceFault) return false
      throw error
    } finally {
      await drop(stage)
    }
    written.blobs++
    written.bytes += size
    return true
  }

  async function place(blob: Pending, rows: readonly ListedObject[]): Promise<void> {
    blob.isGood ??= commit(blob)
    const isGood = await blob.isGood
    for (const row of rows) {
      if (!isGood) {
        faults++
        fault(faultOf(row, 'damaged'))
      } else if (await to.stock.place(row)) written.objects++
      else outdated++
    }
  }

  return {
    seen,
    written,
    get outdated() {
      return outdated
    },
    get faults() {
      return faults
    },
    async begin(sha256, size, chunks) {
      await leave()
      const isThere = mayBeThere && (await isHeld(to, sha256, size))
      const stage = isThere ? null : await stageFor(to, sha256, size)
      current = { sha256, size, stage, passing: gauge.openBlob() }
      await fill(current, chunks)
    },
    isOf: (sha256, rows) =>
      current?.sha256 === sha256 && rows.every(row => row.sha256 === sha256 && row.size === current?.size),
    async keep(rows) {
      const blob = current
      if (blob === null) return
      const isFirst = !blob.isSeen
      if (isFirst) {
        seen.blobs++
        seen.bytes += blob.size
        blob.isSeen = true
        blob.passing.end(blob.stage !== null)
      }
      seen.objects += rows.length
      gauge.count(rows.length, isFirst ? blob.size : 0)
      await crew.take(() => place(blob, rows))
    },
    async finish() {
      await leave()
      await crew.finish()
    },
    async abandon() {
      await leave().catch(() => {})
      await crew.settle()
    },
  }
}

async function drop(stage: Stage): Promise<void> {
  await stage.discard()
  await stage.close?.()
}
