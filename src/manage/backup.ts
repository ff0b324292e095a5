// Writes a store into one file: the rows as of one moment, and the bytes they name. Rows are put aside first, so that the
// moment is short and the bytes may take hours; each blob is followed by its rows, so that a restore needs to remember
// nothing. A blob that turns out wrong while it is written is void: no rows follow it.

import { BACKUP_VERSION, type BackupManifest } from '../model/backup.ts'
import type { BlobStore, StoredBlob } from '../ports/blob-store.ts'
import type { Clock } from '../ports/clock.ts'
import type { Hasher } from '../ports/hasher.ts'
import { type LoadedGroup, loadGroups } from './backup-groups.ts'
import { type BackupWriter, createBackupWriter, type WriteBytes } from './backup-writer.ts'
import { createMoveGauge, type MoveGauge, type MoveProgress } from './move-gauge.ts'
import { createSpool, type Spool } from './spool.ts'
import {
  chunksOf,
  createPatience,
  faultOf,
  isStillNamed,
  MOST_FAULTS,
  type ObjectFault,
  SourceFault,
  type Store,
  tooManyFaults,
} from './stores.ts'

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
  const gauge = createMoveGauge(given.report)
  gauge.begin(1, counts)
  const beInPatience = createPatience()
  let leftOut = 0
  let faults = 0
  let last: { readonly sha256: string; readonly fault: SourceFault | null } | null = null

  for await (const loaded of loadGroups(given, spool)) {
    const { rows, sha256, size, isFirst } = loaded
    if (isFirst || last === null) {
      last = { sha256, fault: await writeBlob(writer, loaded, { hasher, gauge }) }
      beInPatience(last.fault)
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
    gauge.count(rows.length, isFirst ? size : 0)
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

interface Senses {
  readonly hasher: Hasher
  readonly gauge: MoveGauge
}

/** What is wrong with it; null when it is there, whole. */
async function writeBlob(
  writer: BackupWriter,
  { sha256, size, rows, found }: LoadedGroup,
  senses: Senses,
): Promise<SourceFault | null> {
  if (found === null || found instanceof SourceFault) return found
  await writer.beginBlob(sha256, size, rows[0]?.storedAt ?? 0)
  const passing = senses.gauge.openBlob()
  const pour: WriteBytes = async bytes => {
    await writer.bytes(bytes)
    passing.pass(bytes.byteLength)
  }
  const fault =
    found instanceof Uint8Array ? await pourBytes(pour, found) : await pourBlob(pour, found, senses)
  passing.end(fault === null)
  await writer.endBlob(size)
  return fault
}

async function pourBytes(pour: WriteBytes, bytes: Uint8Array): Promise<null> {
  if (bytes.byteLength > 0) await pour(bytes)
  return null
}

/** Exactly as many bytes as were promised, whatever comes. */
async function pourBlob(pour: WriteBytes, blob: StoredBlob, { hasher }: Senses): Promise<SourceFault | null> {
  const hash = hasher('sha256')
  let rest = blob.size
  let fault: SourceFault | null = null
  try {
    for await (const chunk of chunksOf(blob)) {
      hash.update(chunk)
      const wanted = chunk.subarray(0, rest)
      rest -= wanted.byteLength
      if (wanted.byteLength > 0) await pour(wanted)
    }
    if (rest > 0 || hash.hex() !== blob.sha256) fault = new SourceFault('damaged')
  } catch (error) {
    if (!(error instanceof SourceFault)) throw error
    fault = error
  }
  for (; rest > 0; rest -= Math.min(rest, ZEROS.byteLength)) await pour(ZEROS.subarray(0, rest))
  return fault
}
