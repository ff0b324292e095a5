// All that a catalog holds, for those who move it into another one. What is placed is never older than what was there,
// so that a catalog in use can be moved into, and a move that was broken off is done again without harm.

import { isSha256 } from '../model/digest.ts'
import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { Database, Row, Statement } from '../ports/database.ts'
import { type ListedObject, toListedObject } from './catalog.ts'
import { ALL_BLOBS, statements } from './statements.ts'
import { stockStatements } from './stock-statements.ts'

const USES_AT_ONCE = 100
const REPEATABLE = { isRepeatable: true }

/** Held by a catalog that something is being restored into: which backup it is. It never leaves the catalog. */
const RESTORING = 'restoring'

export interface StoredRepository {
  readonly name: string
  readonly settings: string
  readonly changedAt: number
}

export interface StoredSecret {
  readonly name: string
  readonly value: string
}

export interface Stock {
  /** Objects of all repositories, and their bytes; shared bytes count each time. */
  totals(): Promise<{ readonly objects: number; readonly bytes: number }>
  /** In the order of repository and key (by their UTF-8 bytes), from behind the one given; null = from the first. */
  objectsAfter(last: Place | null, limit: number): Promise<ListedObject[]>
  find(place: Place): Promise<ListedObject | null>
  /** Everything as of one moment. Objects that name the same blob follow each other. */
  snapshot(taker: SnapshotTaker, isPinnedOnly: boolean): Promise<void>
  /** True when the blob is known and no collector will take it. */
  holds(sha256: string, size: number): Promise<boolean>
  /** Writes down that a blob is about to appear. */
  announce(sha256: string, size: number): Promise<void>
  /** Keeps the row, whose blob is there. False when a later one was there. */
  place(row: ListedObject): Promise<boolean>
  placeUses(rows: readonly ListedObject[]): Promise<void>
  repositories(): Promise<StoredRepository[]>
  /** False when it was there, and not changed since. */
  placeRepository(repository: StoredRepository): Promise<boolean>
  secrets(): Promise<StoredSecret[]>
  /** False when there was one of that name, which stays. */
  placeSecret(secret: StoredSecret): Promise<boolean>
  /** True when there is no object and no repository. */
  isEmpty(): Promise<boolean>
  /** The backup that is being restored into it, or null. */
  restoring(): Promise<string | null>
  setRestoring(id: string | null): Promise<void>
}

export interface Place {
  readonly repository: string
  readonly key: string
}

export interface SnapshotTaker {
  repositories(page: StoredRepository[]): Promise<void>
  secrets(page: StoredSecret[]): Promise<void>
  objects(page: ListedObject[]): Promise<void>
}

export function createStock(database: Database, clock: Clock): Stock {
  const ask = ({ sql, values }: Statement) => database.query(sql, values, REPEATABLE)
  const isDone = async (statement: Statement) => (await ask(statement)).length > 0

  return {
    async totals() {
      const rows = (await ask(statements.usage())).filter(row => row.repository !== ALL_BLOBS)
      return {
        objects: rows.reduce((sum, row) => sum + Number(row.objects), 0),
        bytes: rows.reduce((sum, row) => sum + Number(row.bytes), 0),
      }
    },
    async objectsAfter(last, limit) {
      const { repository = '', key = '' } = last ?? {}
      return (await ask(stockStatements.objectsAfter(repository, key, limit))).map(toListedObject)
    },
    async find({ repository, key }) {
      const [row] = await ask(stockStatements.findObject(repository, key))
      return row === undefined ? null : toListedObject(row)
    },
    snapshot: (taker, isPinnedOnly) =>
      database.snapshot(
        [
          statements.listRepositories(),
          stockStatements.listSecrets(),
          stockStatements.objectsByBlob(isPinnedOnly),
        ],
        async (rows, index) => {
          if (index === 0) await taker.repositories(rows.map(toRepository))
          else if (index === 1) await taker.secrets(toSecrets(rows))
          else await taker.objects(rows.map(toListedObject))
        },
      ),
    holds: (sha256, size) => isDone(stockStatements.heldBlob(sha256, size)),
    async announce(sha256, size) {
      await database.batch(statements.keepBlob(sha256, size, clock.now(), clock.now()), REPEATABLE)
    },
    async place(row) {
      if (!isSha256(row.sha256))
        throw new Problem(
          'internal',
          `Cannot place ${row.repository}/${row.key}: "${row.sha256}" is no sha256`,
        )
      const results = await database.batch(stockStatements.placeObject(row, clock.now()), REPEATABLE)
      return (results.at(-2)?.length ?? 0) > 0
    },
    async placeUses(rows) {
      for (let at = 0; at < rows.length; at += USES_AT_ONCE) {
        const some = rows.slice(at, at + USES_AT_ONCE)
        await database.batch(some.map(stockStatements.placeUse), REPEATABLE)
      }
    },
    repositories: async () => (await ask(statements.listRepositories())).map(toRepository),
    placeRepository: ({ name, settings, changedAt }) =>
      isDone(stockStatements.placeRepository(name, settings, changedAt)),
    secrets: async () => toSecrets(await ask(stockStatements.listSecrets())),
    placeSecret: ({ name, value }) => isDone(stockStatements.placeSecret(name, value)),
    isEmpty: async () => !(await isDone(stockStatements.anything())),
    async restoring() {
      const [row] = await ask(statements.findSecret(RESTORING))
      return row === undefined ? null : String(row.value)
    },
    async setRestoring(id) {
      await ask(id === null ? stockStatements.dropSecret(RESTORING) : statements.putSecret(RESTORING, id))
    },
  }
}

function toRepository(row: Row): StoredRepository {
  return { name: String(row.name), settings: String(row.settings), changedAt: Number(row.changed_at) }
}

function toSecrets(rows: readonly Row[]): StoredSecret[] {
  return rows
    .map(row => ({ name: String(row.name), value: String(row.value) }))
    .filter(({ name }) => name !== RESTORING)
}
