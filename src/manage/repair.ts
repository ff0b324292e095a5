// Checks every row and every blob, and sets right what can be: a blob that a row names is booked, one that is damaged or
// missing makes way for good bytes, one that nobody names is left to the collector, figures are counted again. Blobs that
// the catalog does not know are reported and stay: another program may have put them there. Works beside a server.

import { type Audit, type BookedObject, createAudit, type UsageFault } from '../catalog/audit.ts'
import type { KnownBlob } from '../catalog/catalog.ts'
import type { Repositories } from '../repositories/repositories.ts'
import { type CheckedBlob, verify } from './scrub.ts'

const PAGE = 500

/** One thing that is not as it should be. */
export type Finding =
  | ({ readonly kind: 'blob' } & CheckedBlob)
  /** A row whose blob is not in the books, or condemned there. */
  | { readonly kind: 'unbooked'; readonly object: string; readonly sha256: string }
  /** A row that has another size than its blob. */
  | { readonly kind: 'missized'; readonly object: string; readonly sha256: string }
  /** A blob that no row names, and that no collector would take. */
  | ({ readonly kind: 'stray' } & KnownBlob)
  /** A blob of the store that the catalog does not know. It stays. */
  | ({ readonly kind: 'unknown' } & KnownBlob)
  /** By how much they are too high; without a repository, those of all blobs together. */
  | ({ readonly kind: 'figures' } & UsageFault)

export interface Repaired {
  readonly rows: number
  readonly blobs: number
  readonly bytes: number
  /** What was found, but for unknown blobs. */
  readonly found: number
  /** Objects whose bytes are lost for good. */
  readonly lost: number
  /** Blobs that the store did not deliver: nothing is known of them. */
  readonly unreadable: number
  readonly unknown: number
  readonly unknownBytes: number
}

export async function repair(
  repositories: Repositories,
  tell: (finding: Finding) => void,
): Promise<Repaired> {
  const { services } = repositories
  const audit = createAudit(services.database, services.clock)
  let found = 0
  const find = (finding: Finding) => {
    found++
    tell(finding)
  }
  // Rows first: what they name is booked then, and read back with all else.
  const rows = await checkRows(repositories, audit, find)
  const { blobs, bytes, lost, unreadable } = await checkBlobs(repositories, audit, find)
  await checkStrays(audit, find)
  const unknown = await findUnknown(repositories, audit, tell)
  await checkFigures(audit, find)
  return { rows, blobs, bytes, found, lost, unreadable, ...unknown }
}

async function checkRows(
  { services }: Repositories,
  audit: Audit,
  find: (finding: Finding) => void,
): Promise<number> {
  const store = services.coldBlobs ?? services.blobs
  let count = 0
  for (let last: BookedObject | null = null; ; ) {
    const page: BookedObject[] = await audit.objectsAfter(last, PAGE)
    for (const row of page) {
      const { sha256, size, bookedSize, isCondemned } = row
      const object = `${row.repository}/${row.key}`
      if (bookedSize === null || isCondemned) {
        find({ kind: 'unbooked', object, sha256 })
        await audit.book({ sha256, size })
      } else if (bookedSize !== size) {
        find({ kind: 'missized', object, sha256 })
        // Which of them is right, its bytes will tell when they are read back; of that size they are at least there.
        const blob = await store.open(sha256)
        if (blob !== null) await audit.resize({ sha256, size: blob.size })
      }
    }
    count += page.length
    last = page.at(-1) ?? null
    if (page.length < PAGE) return count
  }
}

async function checkBlobs(repositories: Repositories, audit: Audit, find: (finding: Finding) => void) {
  const { services } = repositories
  const store = services.coldBlobs ?? services.blobs
  let lost = 0
  let unreadable = 0
  const { blobs, bytes } = await verify(repositories, async checked => {
    if (checked.verdict === 'sound') return
    lost += checked.lost.length
    if (checked.verdict === 'unreadable') unreadable++
    find({ kind: 'blob', ...checked })
    if (checked.verdict !== 'misbooked') return
    const blob = await store.open(checked.sha256)
    if (blob !== null) await audit.resize(blob)
  })
  return { blobs, bytes, lost, unreadable }
}

async function checkStrays(audit: Audit, find: (finding: Finding) => void): Promise<void> {
  for (let after = ''; ; ) {
    const page = await audit.blobsAfter(after, PAGE)
    for (const { sha256, size, isNamed } of page) {
      if (isNamed) continue
      find({ kind: 'stray', sha256, size })
      await audit.condemn({ sha256, size })
    }
    after = page.at(-1)?.sha256 ?? ''
    if (page.length < PAGE) return
  }
}

/** A blob is announced before it appears, so none that is being brought is among them. */
async function findUnknown({ services }: Repositories, audit: Audit, tell: (finding: Finding) => void) {
  const store = services.coldBlobs ?? services.blobs
  let unknown = 0
  let unknownBytes = 0
  for (let cursor: string | undefined; ; ) {
    const page = await store.list(cursor)
    const known = await audit.known(page.blobs.map(blob => blob.sha256))
    for (const { sha256, size } of page.blobs) {
      // Collected since it was listed.
      if (known.has(sha256) || (await store.open(sha256)) === null) continue
      unknown++
      unknownBytes += size
      tell({ kind: 'unknown', sha256, size })
    }
    if (page.cursor === null) return { unknown, unknownBytes }
    cursor = page.cursor
  }
}

async function checkFigures(audit: Audit, find: (finding: Finding) => void): Promise<void> {
  const wrong = await audit.wrongUsage()
  for (const each of wrong) find({ kind: 'figures', ...each })
  if (wrong.length > 0) await audit.recount()
}
