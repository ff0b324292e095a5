// Two stores, one of which is being moved out of: bytes are copied only when they are right, and what is wrong with a
// blob of the source is a fact to report, while a target that fails ends everything.

import type { ListedObject } from '../catalog/catalog.ts'
import type { Stock } from '../catalog/stock.ts'
import { Problem, toProblem } from '../model/problem.ts'
import type { BlobStore, Stage, StoredBlob } from '../ports/blob-store.ts'

export interface Store {
  readonly stock: Stock
  readonly blobs: BlobStore
}

/** `unreadable`: the store failed to deliver it. */
export type BlobFault = 'damaged' | 'missing' | 'unreadable'

/** An object of the source that was left behind. */
export interface ObjectFault {
  readonly fault: BlobFault
  readonly sha256: string
  readonly size: number
  /** Repository and key. */
  readonly object: string
  readonly isUpload: boolean
}

/** A blob whose bytes are wrong, or cannot be had. */
export class SourceFault extends Error {
  readonly fault: BlobFault

  constructor(fault: BlobFault, options?: { cause?: unknown }) {
    super(fault, options)
    this.fault = fault
  }
}

/** Throws a `SourceFault` when it cannot be had in that size. */
export async function openSource(blobs: BlobStore, sha256: string, size: number): Promise<StoredBlob> {
  try {
    const blob = await blobs.open(sha256, size)
    if (blob !== null) return blob
    throw new SourceFault((await blobs.open(sha256)) === null ? 'missing' : 'damaged')
  } catch (error) {
    throw toSourceFault(error)
  }
}

/** The chunks of a blob; leaving early lets go of it. Throws a `SourceFault` when it cannot be read. */
export async function* chunksOf(blob: StoredBlob): AsyncGenerator<Uint8Array> {
  const reader = blob.stream().getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(error => {
        throw toSourceFault(error)
      })
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** A place for a blob in `target`, which takes no other bytes. */
export function stageFor(target: Store, sha256: string, size: number): Promise<Stage> {
  return target.blobs.stage({ expected: [{ algorithm: 'sha256', hex: sha256 }], size })
}

/** Throws a `SourceFault` when the bytes are wrong. */
export async function commitTo(target: Store, stage: Stage): Promise<void> {
  try {
    await stage.commit(({ sha256, size }) => target.stock.announce(sha256, size))
  } catch (error) {
    if (error instanceof Problem && error.code === 'digest-mismatch')
      throw new SourceFault('damaged', { cause: error })
    throw error
  }
}

/** True when the target has the blob, and its catalog counts on it. */
export async function isHeld(target: Store, sha256: string, size: number): Promise<boolean> {
  return (await target.stock.holds(sha256, size)) && (await target.blobs.open(sha256, size)) !== null
}

export function faultOf(row: ListedObject, fault: BlobFault): ObjectFault {
  const { sha256, size, isPinned, repository, key } = row
  return { fault, sha256, size, object: `${repository}/${key}`, isUpload: isPinned }
}

/** False when it was dropped, or is other bytes by now: then nothing is wrong. */
export async function isStillNamed(source: Store, row: ListedObject): Promise<boolean> {
  return (await source.stock.find(row))?.sha256 === row.sha256
}

/** More than that is a store that is wrong as a whole. */
export const MOST_FAULTS = 10_000

export function tooManyFaults(): Problem {
  return new Problem(
    'store-broken',
    `Cannot go on: ${MOST_FAULTS} objects have no good bytes. Run "verify --repair" on the source first`,
  )
}

/** Whoever reads many blobs in vain has lost the store, not the blobs. */
export function createPatience(limit = 20): (fault: SourceFault | null) => void {
  let failures = 0
  return fault => {
    failures = fault?.fault === 'unreadable' ? failures + 1 : 0
    if (failures < limit) return
    throw toProblem(fault?.cause, 'store-broken', `Cannot read the last ${limit} blobs`)
  }
}

function toSourceFault(error: unknown): SourceFault {
  return error instanceof SourceFault ? error : new SourceFault('unreadable', { cause: error })
}
