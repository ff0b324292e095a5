// The staging directory: bodies being written (their names tell whose they are), bodies put away for later, and
// blobs on their way out. A rename is what hands a body from one owner to the next, so there is only ever one.

import { mkdir, readdir, readFile, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { StagedDigests } from '../../src/drivers/staged-digests.ts'
import { parseStageOptions, printStageOptions } from '../../src/drivers/staged-digests.ts'
import type { StageOptions } from '../../src/ports/blob-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { BlobFiles } from './blob-files.ts'
import type { BlobLayout } from './blob-layout.ts'
import { isStageId, parseStagedName } from './blob-layout.ts'
import { isOwnerAlive } from './file-owner.ts'
import type { StagedFile } from './file-stage.ts'
import { closeFile, hasCode, openFile, rawBytes, readFully } from './raw-files.ts'

const REHASH_BYTES = 1024 * 1024

export interface TakenStage {
  readonly file: StagedFile
  readonly digests: StagedDigests
  readonly options: StageOptions
}

export interface StagingFiles {
  /** Under an id of its own, or the one given. */
  create(id?: string): Promise<StagedFile>
  /** A body that was put away, hashed again; null when there is none, or another one took it. */
  take(id: string, digestsFor: (options: StageOptions) => StagedDigests): Promise<TakenStage | null>
  putAway(file: StagedFile, options: StageOptions): Promise<void>
  sweep(before: number): Promise<number>
  /** Runs `work`; where the directory is missing, makes it and runs it again. */
  inDirectory<T>(work: () => Promise<T>): Promise<T>
}

export function createStagingFiles(
  layout: BlobLayout,
  owner: string,
  clock: Clock,
  blobs: BlobFiles,
): StagingFiles {
  async function inDirectory<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
      await mkdir(layout.staging, { recursive: true })
      return work()
    }
  }

  /** Says whether staged bytes went. */
  async function sweepOne(name: string, before: number): Promise<boolean> {
    const path = join(layout.staging, name)
    const staged = parseStagedName(name)
    if (staged === null || ('owner' in staged && isOwnerAlive(staged.owner))) return false
    if (staged.kind === 'trash') return blobs.settleTrash(path, staged.sha256, staged.since)
    if ((await stat(path)).mtimeMs >= before) return false
    await unlink(path)
    return staged.kind !== 'options'
  }

  return {
    async create(id = crypto.randomUUID()) {
      const path = layout.owned(id, owner, 'live')
      return { id, path, fd: await inDirectory(() => openFile(path, 'wx+')), size: 0 }
    },
    async take(id, digestsFor) {
      const path = layout.owned(id, owner, 'live')
      if (!isStageId(id) || (await orMissing(rename(layout.suspended(id), path))) === null) return null
      const options = parseStageOptions((await orMissing(readFile(layout.options(id), 'utf8'))) ?? '')
      const digests = digestsFor(options)
      try {
        const file = await openAgain(id, path, digests)
        await orMissing(unlink(layout.options(id)))
        return { file, digests, options }
      } catch (error) {
        await rename(path, layout.suspended(id))
        throw error
      }
    },
    async putAway(file, options) {
      const text = printStageOptions(options)
      if (text !== '') await writeFile(layout.options(file.id), text)
      const now = new Date(clock.now())
      await utimes(file.path, now, now)
      await rename(file.path, layout.suspended(file.id))
    },
    async sweep(before) {
      let count = 0
      for (const name of await inDirectory(() => readdir(layout.staging))) {
        if (await orMissing(sweepOne(name, before))) count += 1
      }
      return count
    },
    inDirectory,
  }
}

/** Hashes cannot be put away, so what is there is hashed again. */
async function openAgain(id: string, path: string, digests: StagedDigests): Promise<StagedFile> {
  const fd = await openFile(path, 'r+')
  try {
    const bytes = rawBytes(REHASH_BYTES)
    let size = 0
    for (;;) {
      const count = await readFully(fd, bytes, size)
      digests.update(bytes.subarray(0, count))
      size += count
      if (count < bytes.byteLength) return { id, path, fd, size }
    }
  } catch (error) {
    await closeFile(fd)
    throw error
  }
}

/** Null when the file is not there. */
async function orMissing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null
    throw error
  }
}
