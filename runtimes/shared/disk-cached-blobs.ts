// BlobStore decorator that keeps blobs of a far store on a bounded part of a local disk, for whole servers' worth of
// hits: those are files, and go on while the store is away. What is committed through here is there at once; what is
// read from the store comes in with whoever reads it. The store decides what exists; what lies here only saves the way.

import { mkdirSync } from 'node:fs'
import { createStagedDigests } from '../../src/drivers/staged-digests.ts'
import { Problem } from '../../src/model/problem.ts'
import type { ByteRange } from '../../src/model/range.ts'
import type { BlobStore, Stage, StageOptions, StoredBlob } from '../../src/ports/blob-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Hasher } from '../../src/ports/hasher.ts'
import type { Log } from '../../src/ports/log.ts'
import { createBlobFiles } from './blob-files.ts'
import { createBlobLayout } from './blob-layout.ts'
import { createCacheChecks } from './cache-checks.ts'
import { type CacheEntry, createCacheEntries } from './cache-entries.ts'
import { createCacheFills, isDamage } from './cache-fills.ts'
import { createCachedStage } from './cached-stage.ts'
import { currentOwner } from './file-owner.ts'
import { createFileStage, type FileStage, type StagedFile } from './file-stage.ts'
import { streamFile } from './file-stream.ts'
import { createLateDigests, type LateDigests } from './late-digests.ts'
import { storeProblem } from './raw-files.ts'
import { createStagingFiles } from './staging-files.ts'
import { streamInTurn } from './stream-in-turn.ts'

export interface DiskCachedBlobs extends BlobStore {
  /** On the disk, as far as this process knows. */
  readonly usedBytes: number
}

export interface DiskCacheOptions {
  /** `blobs/sha256` and `blobs/staging` are made below it. */
  readonly directory: string
  /** All entries together. */
  readonly limitBytes: number
  readonly hasher: Hasher
  readonly clock: Clock
  readonly log: Log
}

/** Smaller bodies are fetched whole before they are answered, so that the answer is a file. */
const SMALL_BYTES = 4 * 1024 * 1024
/** As a scrub reads, unless it is told otherwise. */
const CHECKED_BYTES_PER_SECOND = 4 * 1024 * 1024

/** Throws when the directory cannot be made. */
export function withDiskCache(store: BlobStore, options: DiskCacheOptions): DiskCachedBlobs {
  const { directory, limitBytes, hasher, clock, log } = options
  const layout = createBlobLayout(directory)
  for (const each of [layout.blobs, layout.staging]) mkdirSync(each, { recursive: true })
  const owner = currentOwner()
  const files = createBlobFiles(layout, owner, clock)
  const staging = createStagingFiles(layout, owner, clock, files)
  const entries = createCacheEntries({ layout, files, limitBytes, clock, log })
  const loading = new Map<string, Promise<void>>()
  const checks = createCacheChecks({
    hasher,
    clock,
    log,
    bytesPerSecond: CHECKED_BYTES_PER_SECOND,
    async read(sha256) {
      const size = (await files.find(sha256))?.size
      if (size === undefined) return null
      return streamFile(layout.blob(sha256), { start: 0, end: size - 1 }, `Cannot read blob ${sha256}`)
    },
    drop: sha256 => entries.drop(sha256),
  })
  const fills = createCacheFills({
    hasher,
    log,
    openFile: (size, digests) => openFile(undefined, digests, { size }),
  })

  function fileStage(file: StagedFile, digests: LateDigests, wanted: StageOptions): FileStage {
    return createFileStage(file, digests, {
      keep({ path }, { sha256, size }) {
        checks.trust(sha256)
        return entries.adopt(path, sha256, size)
      },
      putAway: staged => staging.putAway(staged, wanted),
      isDurable: false,
    })
  }

  function local(sha256: string, { path, size }: CacheEntry): StoredBlob {
    // Dropped since it was found, or damaged: the store has it still.
    const fromStore = async (rest: ByteRange) => {
      await entries.drop(sha256)
      return (await store.open(sha256, size))?.stream(rest) ?? null
    }
    return {
      sha256,
      size,
      path,
      stream: (range = { start: 0, end: size - 1 }) =>
        streamInTurn(range, streamFile(path, range, `Cannot read blob ${sha256}`), fromStore),
    }
  }

  function far(blob: StoredBlob): StoredBlob {
    const { sha256, size } = blob
    const isAll = (range?: ByteRange) => range === undefined || (range.start === 0 && range.end === size - 1)
    return { sha256, size, stream: range => (isAll(range) ? fills.stream(blob) : blob.stream(range)) }
  }

  /** Once for all who ask meanwhile. */
  function load(blob: StoredBlob): Promise<void> {
    const { sha256 } = blob
    const running = loading.get(sha256) ?? fills.load(blob).finally(() => loading.delete(sha256))
    loading.set(sha256, running)
    return running
  }

  async function openFar(sha256: string, size?: number): Promise<StoredBlob | null> {
    const blob = await store.open(sha256, size)
    if (blob === null || blob.size === 0) return blob
    if (blob.size > SMALL_BYTES || !(await mayTake(blob.size))) return far(blob)
    try {
      await load(blob)
    } catch (error) {
      if (!isDamage(error)) return blob
      log.warn('Blob is damaged: its bytes are others', { sha256, size: blob.size })
      return null
    }
    const entry = await entries.find(sha256, blob.size)
    return entry === null ? blob : local(sha256, entry)
  }

  async function openFile(id: string | undefined, digests: LateDigests, wanted: StageOptions) {
    const { size } = wanted
    return (await entries.mayTake(size)) ? fileStage(await staging.create(id), digests, wanted) : null
  }

  async function mayTake(size: number): Promise<boolean> {
    return entries.mayTake(size).catch(error => {
      log.warn('Cannot use the disk cache', { error })
      return false
    })
  }

  /** Only on this machine until its commit. */
  async function stageHere(wanted: StageOptions): Promise<Stage> {
    const digests = createLateDigests(createStagedDigests(hasher, wanted), true)
    try {
      const file = await openFile(undefined, digests, wanted)
      if (file !== null) return createCachedStage({ store, clock, log, far: null, file, digests })
    } catch (error) {
      throw storeProblem(error, 'Cannot stage body')
    }
    throw new Problem('store-full', 'Cannot stage body: the disk cache has no room for it', {
      size: wanted.size ?? null,
    })
  }

  async function stageThere(wanted: StageOptions): Promise<Stage> {
    const there = await store.stage(wanted)
    const digests = createLateDigests(createStagedDigests(hasher, wanted), false)
    const file = await openFile(there.id, digests, wanted).catch(error => {
      log.warn('Cannot use the disk cache', { error })
      return null
    })
    return file === null ? there : createCachedStage({ store, clock, log, far: there, file, digests })
  }

  async function resumeHere(id: string): Promise<Stage | null> {
    let digests: LateDigests | null = null
    const taken = await staging.take(id, wanted => {
      digests = createLateDigests(createStagedDigests(hasher, wanted), true)
      return digests
    })
    if (taken === null || digests === null) return null
    const file = fileStage(taken.file, digests, taken.options)
    return createCachedStage({ store, clock, log, far: null, file, digests })
  }

  return {
    get usedBytes() {
      return entries.usedBytes
    },
    async open(sha256, size) {
      const entry = await findEntry(sha256, size)
      return entry === null ? openFar(sha256, size) : local(sha256, entry)
    },
    async stage(wanted = {}) {
      if (wanted.isScratch) return stageHere(wanted)
      return stageThere(wanted).catch(error => {
        // It may be back by the time of the commit.
        if (!(error instanceof Problem) || error.code !== 'store-broken') throw error
        log.warn('A body is staged on this machine, the store is away', { error })
        return stageHere(wanted)
      })
    },
    resume: async id => (await resumeHere(id)) ?? store.resume(id),
    async remove(sha256, unlessCommittedSince) {
      await entries.drop(sha256)
      const isRemoved = await store.remove(sha256, unlessCommittedSince)
      // Again: someone may have read it while it was going.
      await entries.drop(sha256)
      return isRemoved
    },
    list: cursor => store.list(cursor),
    async sweep(before) {
      return (await staging.sweep(before)) + (await store.sweep(before))
    },
    link: store.link?.bind(store),
    freeBytes: store.freeBytes?.bind(store),
  }

  async function findEntry(sha256: string, size: number | undefined): Promise<CacheEntry | null> {
    try {
      const entry = await (size === undefined ? entries.known(sha256) : entries.find(sha256, size))
      if (entry !== null) checks.want(sha256)
      return entry
    } catch (error) {
      log.warn('Cannot use the disk cache', { error })
      return null
    }
  }
}
