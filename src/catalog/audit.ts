// The catalog against itself: whether every row's bytes are booked, every booked blob is named or condemned, and the
// figures are the sums they stand for. Works beside those who change it.

import type { Clock } from '../ports/clock.ts'
import type { Database, Row, Statement } from '../ports/database.ts'
import { auditStatements } from './audit-statements.ts'
import { type KnownBlob, toKnownBlob } from './catalog.ts'
import type { Place } from './stock.ts'

const REPEATABLE = { isRepeatable: true }
const PARAMETERS = 100

export interface Audit {
  /** Rows from behind the one given, in order; null = from the first. */
  objectsAfter(last: Place | null, limit: number): Promise<BookedObject[]>
  /** Books a blob that an object names, and saves it from the collector. */
  book(blob: KnownBlob): Promise<void>
  /** The blob has this size, and so have all objects that name it. */
  resize(blob: KnownBlob): Promise<void>
  /** Blobs that are not condemned, from behind the one given. */
  blobsAfter(sha256: string, limit: number): Promise<NamedBlob[]>
  /** For the collector, unless an object names it. */
  condemn(blob: KnownBlob): Promise<void>
  /** Those that are in the books, condemned or not. */
  known(digests: readonly string[]): Promise<Set<string>>
  /** By how much the figures are too high; all blobs together have no name. */
  wrongUsage(): Promise<UsageFault[]>
  recount(): Promise<void>
}

export interface BookedObject extends Place, KnownBlob {
  /** Null where the blob is not in the books. */
  readonly bookedSize: number | null
  readonly isCondemned: boolean
}

export interface NamedBlob extends KnownBlob {
  readonly isNamed: boolean
}

export interface UsageFault {
  readonly repository: string
  readonly bytes: number
  readonly objects: number
}

export function createAudit(database: Database, clock: Clock): Audit {
  const ask = ({ sql, values }: Statement) => database.query(sql, values, REPEATABLE)

  return {
    async objectsAfter(last, limit) {
      const { repository = '', key = '' } = last ?? {}
      return (await ask(auditStatements.bookedObjects(repository, key, limit))).map(toBookedObject)
    },
    async book({ sha256, size }) {
      await database.batch(auditStatements.bookBlob(sha256, size, clock.now()), REPEATABLE)
    },
    async resize({ sha256, size }) {
      await database.batch(auditStatements.resizeBlob(sha256, size), REPEATABLE)
    },
    async blobsAfter(sha256, limit) {
      const rows = await ask(auditStatements.namedBlobs(sha256, limit))
      return rows.map(row => ({ ...toKnownBlob(row), isNamed: Number(row.is_named) === 1 }))
    },
    async condemn({ sha256 }) {
      await database.batch([auditStatements.condemnBlob(sha256, clock.now())], REPEATABLE)
    },
    async known(digests) {
      const found = new Set<string>()
      for (let at = 0; at < digests.length; at += PARAMETERS) {
        const rows = await ask(auditStatements.knownBlobs(digests.slice(at, at + PARAMETERS)))
        for (const row of rows) found.add(String(row.sha256))
      }
      return found
    },
    async wrongUsage() {
      return (await ask(auditStatements.wrongUsage())).map(toUsageFault)
    },
    async recount() {
      await database.batch(auditStatements.recount(), REPEATABLE)
    },
  }
}

function toBookedObject(row: Row): BookedObject {
  return {
    ...toKnownBlob(row),
    repository: String(row.repository),
    key: String(row.key),
    bookedSize: row.blob_size === null ? null : Number(row.blob_size),
    isCondemned: row.condemned_at !== null,
  }
}

function toUsageFault(row: Row): UsageFault {
  return { repository: String(row.repository), bytes: Number(row.bytes), objects: Number(row.objects) }
}
