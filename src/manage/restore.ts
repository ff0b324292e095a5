// Reads a backup into a store, as it comes. What was restored before a backup turns out cut or damaged is whole, and
// stays. Run again, it goes on: the store remembers which backup is being restored into it.

import {
  type BackupEnd,
  type BackupManifest,
  parseBackupName,
  readEnd,
  readManifest,
  readObject,
  readRepository,
  readSecret,
  sumOf,
} from '../model/backup.ts'
import { Problem } from '../model/problem.ts'
import type { Hasher } from '../ports/hasher.ts'
import { createTarReader, type TarEntry, type TarReader } from '../streams/untar.ts'
import { createMoveGauge, type MoveProgress } from './move-gauge.ts'
import { createRestoredBlobs, type RestoredBlobs } from './restored-blobs.ts'
import type { ObjectFault, Store } from './stores.ts'

const RECORD_LIMIT_BYTES = 64 * 1024 * 1024

export interface Restore {
  readonly from: ReadableStream<Uint8Array>
  readonly to: Store
  readonly hasher: Hasher
  /** Also into a store that has something: what is newer there stays. */
  readonly isForced: boolean
  report(progress: MoveProgress): void
  fault(fault: ObjectFault): void
}

export interface Restored {
  readonly createdAt: number
  readonly objects: number
  /** Of the backup, that are older than those of the store. */
  readonly outdated: number
  readonly blobs: number
  readonly bytes: number
  readonly repositories: number
  readonly secrets: number
  /** Names of secrets that the store had already. */
  readonly keptSecrets: readonly string[]
  readonly faults: number
}

interface Records {
  repositories: number
  secrets: number
  readonly keptSecrets: string[]
}

export async function restore(given: Restore): Promise<Restored> {
  const { to, hasher } = given
  const reader = createTarReader(given.from)
  const source = createRecordReader(reader, hasher)
  try {
    const manifest = await source.manifest()
    const mayBeThere = await admit(to, manifest, given.isForced)
    const gauge = createMoveGauge(given.report)
    gauge.begin(1, manifest)
    const blobs = createRestoredBlobs({ to, mayBeThere, gauge, fault: given.fault })
    const records: Records = { repositories: 0, secrets: 0, keptSecrets: [] }
    try {
      const end = await readAll(to, { source, blobs, records })
      if (end.id !== manifest.id || end.entries !== source.names() || !isAll(end, blobs))
        throw unusable('something is missing in the middle of the backup')
      await blobs.finish()
    } finally {
      await blobs.abandon()
    }
    // Also with faults: what is wrong in this backup stays wrong when it is restored again.
    await to.stock.setRestoring(null)
    const { written, outdated, faults } = blobs
    return { createdAt: manifest.createdAt, ...written, ...records, outdated, faults }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

interface Reading {
  readonly source: RecordReader
  readonly blobs: RestoredBlobs
  readonly records: Records
}

async function readAll({ stock }: Store, { source, blobs, records }: Reading): Promise<BackupEnd> {
  for (;;) {
    const { entry, meaning } = await source.next()
    if (meaning.kind === 'end') return readEnd((await source.lines(entry, meaning.sum))[0] ?? '')
    if (meaning.kind === 'blob') {
      await blobs.begin(meaning.sha256, entry.size, entry.chunks())
      continue
    }
    const lines = await source.lines(entry, meaning.sum)
    if (meaning.kind === 'repositories') {
      for (const line of lines) if (await stock.placeRepository(readRepository(line))) records.repositories++
    } else if (meaning.kind === 'secrets') {
      for (const secret of lines.map(readSecret)) {
        if (await stock.placeSecret(secret)) records.secrets++
        else records.keptSecrets.push(secret.name)
      }
    } else if (meaning.kind === 'objects') {
      const rows = lines.map(readObject)
      if (!blobs.isOf(meaning.sha256, rows))
        throw unusable(`${entry.name} does not follow its blob in the backup`)
      await blobs.keep(rows)
    } else throw unusable(`${entry.name} is in the middle of the backup`)
  }
}

/** False when the store has nothing that the backup may have. */
async function admit({ stock }: Store, { id }: BackupManifest, isForced: boolean): Promise<boolean> {
  if ((await stock.restoring()) === id) return true
  const isEmpty = await stock.isEmpty()
  if (!isEmpty && !isForced) {
    throw new Problem(
      'conflict',
      'Cannot restore: the store is not empty. With --force what is missing is added, and what is newer there stays',
    )
  }
  await stock.setRestoring(null)
  await stock.setRestoring(id)
  return !isEmpty
}

function isAll(end: BackupEnd, { seen }: RestoredBlobs): boolean {
  return end.objects === seen.objects && end.blobs === seen.blobs && end.bytes === seen.bytes
}

interface RecordReader {
  /** The first entry. */
  manifest(): Promise<BackupManifest>
  /** Fails at the end of the archive: its last record comes before. */
  next(): Promise<{ readonly entry: TarEntry; readonly meaning: Meaning }>
  /** The lines of a record, which must have this sum. */
  lines(entry: TarEntry, sum: string): Promise<string[]>
  /** A hash of all names until the last record. */
  names(): string
}

type Meaning = NonNullable<ReturnType<typeof parseBackupName>>

function createRecordReader(reader: TarReader, hasher: Hasher): RecordReader {
  const names = hasher('sha256')

  async function next() {
    const entry = await reader.next()
    if (entry === null) throw unusable('the backup ends without its last record')
    const meaning = parseBackupName(entry.name)
    if (meaning === null) throw unusable('this is no backup of artifactapi')
    if (meaning.kind !== 'end') names.update(new TextEncoder().encode(`${entry.name}\n`))
    return { entry, meaning }
  }

  async function lines(entry: TarEntry, sum: string): Promise<string[]> {
    const bytes = await readRecord(entry)
    const hash = hasher('sha256')
    hash.update(bytes)
    if (sumOf(hash.hex()) !== sum) throw unusable(`${entry.name} is damaged in the backup`)
    return new TextDecoder().decode(bytes).split('\n').slice(0, -1)
  }

  return {
    async manifest() {
      const { entry, meaning } = await next()
      if (meaning.kind !== 'backup') throw unusable('this is no backup of artifactapi')
      return readManifest((await lines(entry, meaning.sum))[0] ?? '')
    },
    next,
    lines,
    names: () => names.hex(),
  }
}

async function readRecord(entry: TarEntry): Promise<Uint8Array> {
  if (entry.size > RECORD_LIMIT_BYTES) throw unusable(`${entry.name} has ${entry.size} bytes`)
  const bytes = new Uint8Array(entry.size)
  let filled = 0
  for await (const chunk of entry.chunks()) {
    bytes.set(chunk, filled)
    filled += chunk.byteLength
  }
  return bytes
}

/** How long the last record and what ends the archive are: a record of one block, its header, and two blocks of zeros. */
export const BACKUP_TAIL_BYTES = 4 * 512

/** True when these last bytes of a backup say that it is whole. */
export async function hasBackupEnd(tail: Uint8Array, hasher: Hasher): Promise<boolean> {
  const reader = createTarReader(new Response(tail.slice()).body ?? new ReadableStream())
  try {
    const source = createRecordReader(reader, hasher)
    const { entry, meaning } = await source.next()
    return meaning.kind === 'end' && (await source.lines(entry, meaning.sum)).length === 1
  } catch (error) {
    if (error instanceof Problem && error.code === 'unprocessable') return false
    throw error
  }
}

function unusable(reason: string): Problem {
  return new Problem('unprocessable', `Cannot restore: ${reason}`)
}
