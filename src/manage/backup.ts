// Writes a store into one file: the rows as of one moment, and the bytes they name. Rows are put aside first, so that the
// moment is short and the bytes may take hours; each blob is followed by its rows, so that a restore needs to remember
// nothing. A blob that turns out wrong while it is written is void: no rows follow it.

import type { ListedObject } from '../catalog/catalog.ts'
import { BACKUP_VERSION, type BackupManifest, readObject } from '../model/backup.ts'
import type { BlobStore, StoredBlob } from '../ports/blob-store.ts'
import type { Clock } from '../ports/clock.ts'
import type { Hasher } from '../ports/hasher.ts'
import { type BackupWriter, createBackupWriter, type WriteBytes } from './backup-writer.ts'
import { createSpool, type Spool } from './spool.ts'
import {
  chunksOf,
  createPatience,
  faultOf,
  isStillNamed,
  MOST_FAULTS,
  type MoveProgress,
  type ObjectFault,
  openSource,
  SourceFault,
  type Store,
  tooManyFaults,
} from './stores.ts'

/** Blobs that are opened before it is their turn. */
const AHEAD = 16
/** These are read before it is their turn, too. */
const SMALL_BYTES = 256 * 1024
const ROWS_AT_ONCE = 1000
const ZEROS = new Uint8Array(64 * 1024)

export interface Backup {
  readonly from: Store
  /** Room for the rows, which can be read back while it is staged. */
  readonly room: Pick<BlobStore, 'stage'>
  readonly clock: Clock
  readonly hasher: Hasher
  readonly program: string
  /** Uploads only: nothing that can be fetched again. */
  readonly isWithoutCache: boolean
  write: WriteBytes
  report(progress: MoveProgress): void
  fault(fault: ObjectFault): void
}

export interface BackedUp {
  readonly objects: number
  readonly blobs: number
  readonly bytes: number
  readonly repositories: number
  readonly secrets: number
  /** Objects that were dropped or replaced, and their bytes collected, while it ran. */
  readonly leftOut: number
  readonly faults: number
}

/** Rows that name the same blob, or the first thousand of them. */
interface Group {
  readonly rows: readonly ListedObject[]
  readonly sha256: string
  readonly size: number
  readonly isFirst: boolean
}

interface Loaded extends Group {
  /** A fault, the blob, or all of its bytes, which are right. Null where it was written already. */
  readonly found: SourceFault | StoredBlob | Uint8Array | null
}

export async function backup(given: Backup): Promise<BackedUp> {
  const spool = await createSpool(given.room)
  try {
    return await writeAll(given, spool)
  } finally {
    await spool.close()
  }
}

async function writeAll(given: Backup, spool: Spool): Promise<BackedUp> {
  const { from, clock, hasher } = given
  const createdAt = clock.now()
  const { repositories, secrets, ...counts } = await putAside(given, spool)
  const id = crypto.randomUUID()
  const manifest: BackupManifest = {
    format: 'artifactapi-backup',
    version: BACKUP_VERSION,
    id,
    createdAt,
    program: given.program,
    scope: given.isWithoutCache ? 'uploads' : 'all',
    ...counts,
  }
  const writer = createBackupWriter(given.write, hasher, manifest)
  await writer.record('backup', [manifest])
  await writer.record('repositories', repositories)
  await writer.record('secrets', secrets)
  const written = { objects: 0, blobs: 0, bytes: 0 }
  const seen = { objects: 0, bytes: 0 }
  const beInPatience = createPatience()
  let leftOut = 0
  let faults = 0
  let last: { readonly sha256: string; readonly fault: SourceFault | null } | null = null

  for await (const loaded of loadedAhead(given, groupsOf(spool))) {
    const { rows, sha256, size, isFirst } = loaded
    if (isFirst || last === null) {
      last = { sha256, fault: await writeBlob(writer, loaded, hasher) }
      beInPatience(last.fault)
      seen.bytes += size
    }
    if (last.fault === null) {
      await writer.record(`objects/${sha256}`, rows)
      written.objects += rows.length
      written.blobs += isFirst ? 1 : 0
      written.bytes += isFirst ? size : 0
    } else {
      for (const row of rows) {
        if (!(await isStillNamed(from, row))) {
          leftOut++
          continue
        }
        given.fault(faultOf(row, last.fault.fault))
        if (++faults >= MOST_FAULTS) throw tooManyFaults()
      }
    }
    seen.objects += rows.length
    const { objects: allObjects, bytes: allBytes } = counts
    given.report({ pass: 1, ...seen, allObjects, allBytes, copiedBytes: written.bytes })
  }
  await writer.end({ id, ...written })
  return { ...written, repositories: repositories.length, secrets: secrets.length, leftOut, faults }
}

/** The moment that the backup shows. */
async function putAside({ from, isWithoutCache }: Backup, spool: Spool) {
  const repositories: object[] = []
  const secrets: object[] = []
  const counts = { objects: 0, blobs: 0, bytes: 0 }
  let last = ''
  await from.stock.snapshot(
    {
      repositories: async page => void repositories.push(...page),
      secrets: async page => void secrets.push(...page),
      async objects(page) {
        for (const row of page) {
          counts.objects++
          counts.blobs += row.sha256 === last ? 0 : 1
          counts.bytes += row.sha256 === last ? 0 : row.size
          last = row.sha256
          await spool.add(JSON.stringify(row))
        }
      },
    },
    isWithoutCache,
  )
  return { ...counts, repositories, secrets }
}

async function* groupsOf(spool: Spool): AsyncGenerator<Group> {
  let rows: ListedObject[] = []
  let isFirst = true
  const group = (): Group[] => {
    const [first] = rows
    return first === undefined ? [] : [{ rows, sha256: first.sha256, size: first.size, isFirst }]
  }
  for await (const line of spool.lines()) {
    const row = readObject(line)
    const isOther = rows[0] !== undefined && rows[0].sha256 !== row.sha256
    if (isOther || rows.length >= ROWS_AT_ONCE) {
      yield* group()
      rows = []
      isFirst = isOther
    }
    rows.push(row)
  }
  yield* group()
}

/** In the same order, while those that follow are on their way. */
async function* loadedAhead(given: Backup, groups: AsyncGenerator<Group>): AsyncGenerator<Loaded> {
  const coming: Promise<Loaded>[] = []
  for await (const group of groups) {
    const loading = load(given, group)
    // Whoever waits for it hears of it.
    loading.catch(() => {})
    coming.push(loading)
    const next = coming.length > AHEAD ? coming.shift() : undefined
    if (next !== undefined) yield await next
  }
  for (const loading of coming) yield await loading
}

async function load({ from, hasher }: Backup, group: Group): Promise<Loaded> {
  const { sha256, size, isFirst } = group
  if (!isFirst) return { ...group, found: null }
  try {
    const blob = await openSource(from.blobs, sha256, size)
    return { ...group, found: size > SMALL_BYTES ? blob : await readWhole(blob, hasher) }
  } catch (error) {
    if (error instanceof SourceFault) return { ...group, found: error }
    throw error
  }
}

async function readWhole(blob: StoredBlob, hasher: Hasher): Promise<Uint8Array> {
  const bytes = new Uint8Array(blob.size)
  const hash = hasher('sha256')
  let filled = 0
  for await (const chunk of chunksOf(blob)) {
    hash.update(chunk)
    bytes.set(chunk.subarray(0, blob.size - filled), filled)
    filled += chunk.byteLength
  }
  if (filled === blob.size && hash.hex() === blob.sha256) return bytes
  throw new SourceFault('damaged')
}

/** What is wrong with it; null when it is there, whole. */
async function writeBlob(
  writer: BackupWriter,
  { sha256, size, rows, found }: Loaded,
  hasher: Hasher,
): Promise<SourceFault | null> {
  if (found === null || found instanceof SourceFault) return found
  await writer.beginBlob(sha256, size, rows[0]?.storedAt ?? 0)
  const fault = found instanceof Uint8Array ? null : await pour(writer, found, hasher)
  if (found instanceof Uint8Array && size > 0) await writer.bytes(found)
  await writer.endBlob(size)
  return fault
}

/** Exactly as many bytes as were promised, whatever comes. */
async function pour(writer: BackupWriter, blob: StoredBlob, hasher: Hasher): Promise<SourceFault | null> {
  const hash = hasher('sha256')
  let rest = blob.size
  let fault: SourceFault | null = null
  try {
    for await (const chunk of chunksOf(blob)) {
      hash.update(chunk)
      const wanted = chunk.subarray(0, rest)
      rest -= wanted.byteLength
      if (wanted.byteLength > 0) await writer.bytes(wanted)
    }
    if (rest > 0 || hash.hex() !== blob.sha256) fault = new SourceFault('damaged')
  } catch (error) {
    if (!(error instanceof SourceFault)) throw error
    fault = error
  }
  for (; rest > 0; rest -= Math.min(rest, ZEROS.byteLength)) await writer.bytes(ZEROS.subarray(0, rest))
  return fault
}
