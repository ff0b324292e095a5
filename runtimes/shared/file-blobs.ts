// BlobStore on a local disk, for Bun, Node and Deno. A blob appears by one rename of a file that is already
// forced to the disk, so a crash at any moment leaves whole blobs and staged bytes, never half a blob.
// Several processes may share the directory; nothing is locked.

import { statfs } from 'node:fs/promises'
import type { StagedDigests } from '../../src/drivers/staged-digests.ts'
import { createStagedDigests } from '../../src/drivers/staged-digests.ts'
import { Problem } from '../../src/model/problem.ts'
import type { BlobStore, Stage, StageOptions } from '../../src/ports/blob-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Hasher } from '../../src/ports/hasher.ts'
import type { Log } from '../../src/ports/log.ts'
import { createBlobFiles } from './blob-files.ts'
import { createBlobLayout } from './blob-layout.ts'
import { currentOwner } from './file-owner.ts'
import type { StagedFile } from './file-stage.ts'
import { createFileStage } from './file-stage.ts'
import { streamFile } from './file-stream.ts'
import { storeProblem } from './raw-files.ts'
import { createStagingFiles } from './staging-files.ts'

export interface FileBlobsParts {
  /** `blobs/sha256` and `blobs/staging` are made below it. */
  readonly directory: string
  readonly hasher: Hasher
  readonly clock: Clock
  readonly log: Log
}

export function createFileBlobs({ directory, hasher, clock, log }: FileBlobsParts): BlobStore {
  const layout = createBlobLayout(directory)
  const owner = currentOwner()
  const files = createBlobFiles(layout, owner, clock)
  const staging = createStagingFiles(layout, owner, clock, files)
  const damaged = new Set<string>()

  function openStage(file: StagedFile, digests: StagedDigests, options: StageOptions): Stage {
    return createFileStage(file, digests, {
      keep: (staged, { sha256, size }) => files.keep(staged, sha256, size),
      putAway: staged => staging.putAway(staged, options),
      isDurable: true,
    })
  }

  function warnDamaged(sha256: string, size: number, actual: number): void {
    if (damaged.has(sha256)) return
    if (damaged.size >= 1000) damaged.clear()
    damaged.add(sha256)
    log.warn('Blob is damaged: its size is wrong', { sha256, size, actual })
  }

  async function freeBytes(): Promise<number> {
    const { bavail, bsize } = await staging.inDirectory(() => statfs(layout.staging))
    return bavail * bsize
  }

  return {
    open: (sha256, size) =>
      told(`Cannot open blob ${sha256}`, async action => {
        const found = await files.find(sha256)
        if (found === null) return null
        if (size !== undefined && found.size !== size) {
          warnDamaged(sha256, size, found.size)
          return null
        }
        const path = layout.blob(sha256)
        const whole = { start: 0, end: found.size - 1 }
        return { sha256, size: found.size, path, stream: range => streamFile(path, range ?? whole, action) }
      }),
    stage: (options = {}) =>
      told('Cannot stage body', async () => {
        if (options.size !== undefined) await refuseWithoutRoom(options.size, freeBytes)
        return openStage(await staging.create(), createStagedDigests(hasher, options), options)
      }),
    resume: id =>
      told(`Cannot resume stage ${id}`, async () => {
        const found = await staging.take(id, options => createStagedDigests(hasher, options))
        return found === null ? null : openStage(found.file, found.digests, found.options)
      }),
    remove: (sha256, unlessCommittedSince) =>
      told(`Cannot remove blob ${sha256}`, () => files.remove(sha256, unlessCommittedSince)),
    list: (cursor = '') => told('Cannot list blobs', () => files.list(cursor)),
    sweep: before => told('Cannot sweep staged bytes', () => staging.sweep(before)),
    freeBytes: () => told('Cannot tell free space', freeBytes),
  }
}

async function refuseWithoutRoom(size: number, freeBytes: () => Promise<number>): Promise<void> {
  const free = await freeBytes()
  if (size > free) {
    throw new Problem('store-full', `Cannot stage body: it has ${size} bytes, ${free} are free`, {
      size,
      free,
    })
  }
}

async function told<T>(action: string, work: (action: string) => Promise<T>): Promise<T> {
  try {
    return await work(action)
  } catch (error) {
    throw storeProblem(error, action)
  }
}
