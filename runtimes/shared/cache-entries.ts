// What the disk in front of a far store holds: whole blobs, laid out as a store's own, the least recently used going
// first. Several processes may share the directory. Each remembers what is there and looks again when it, or they
// together, may have filled it; a file's modification time tells all of them when it was last used.
//
// Nothing is forced to the disk: a file system that loses the end of a file in a power cut shows it shorter, and what
// has not its blob's size is no entry.

import { mkdir, rename, statfs, unlink, utimes } from 'node:fs/promises'
import type { Clock } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { BlobFiles } from './blob-files.ts'
import type { BlobLayout } from './blob-layout.ts'
import { hasCode } from './raw-files.ts'

export interface CacheEntry {
  readonly path: string
  readonly size: number
}

export interface CacheEntries {
  /** What they take, as far as it is known here. */
  readonly usedBytes: number
  /** Null when it is not there, or has another size: then it is dropped. */
  find(sha256: string, size: number): Promise<CacheEntry | null>
  /** What was found or made here before, whose size nobody has to tell. */
  known(sha256: string): Promise<CacheEntry | null>
  /** Makes an entry of the file at `path`, where there is room for it. Never fails; the file is gone from there. */
  adopt(path: string, sha256: string, size: number): Promise<void>
  drop(sha256: string): Promise<void>
  /** True when a body of that size, or of any, may be tried. */
  mayTake(size: number | undefined): Promise<boolean>
}

export interface CacheEntriesParts {
  readonly layout: BlobLayout
  readonly files: BlobFiles
  readonly limitBytes: number
  readonly clock: Clock
  readonly log: Log
}

/** Left to others who use the disk, or a tenth of what may be taken. */
const RESERVED_BYTES = 128 * 1024 * 1024
/** What was used a moment ago may be about to be opened by its path, here or in another process. */
const IN_USE_MS = 30_000
const TOUCH_EVERY_MS = 10_000
/** Cleared at once when it is full, so that not every entry makes another look necessary. */
const CLEARED_PART = 0.05
/** After so much of the limit was added here, others may have added as much. */
const LOOK_EVERY_PART = 1 / 16

interface Known {
  readonly size: number
  usedAt: number
}

export function createCacheEntries(parts: CacheEntriesParts): CacheEntries {
  const { layout, files, limitBytes, clock, log } = parts
  const reservedBytes = Math.min(RESERVED_BYTES, limitBytes / 10)
  /** In the order of use, as far as this process knows it. */
  let known = new Map<string, Known>()
  let usedBytes = 0
  let addedBytes = Number.POSITIVE_INFINITY
  let clearing: Promise<unknown> = Promise.resolve()

  function forget(sha256: string): void {
    usedBytes -= known.get(sha256)?.size ?? 0
    known.delete(sha256)
  }

  function remember(sha256: string, size: number, usedAt: number): void {
    forget(sha256)
    known.set(sha256, { size, usedAt })
    usedBytes += size
  }

  async function use(sha256: string, size: number, lastUsedAt: number): Promise<void> {
    const now = clock.now()
    const usedAt = Math.max(known.get(sha256)?.usedAt ?? 0, lastUsedAt)
    const isDue = now - usedAt >= TOUCH_EVERY_MS
    remember(sha256, size, isDue ? now : usedAt)
    if (isDue) await utimes(layout.blob(sha256), now / 1000, now / 1000).catch(() => {})
  }

  async function drop(sha256: string): Promise<void> {
    forget(sha256)
    await unlink(layout.blob(sha256)).catch(error => {
      if (!hasCode(error, 'ENOENT')) throw error
    })
  }

  async function find(sha256: string, size: number): Promise<CacheEntry | null> {
    const found = await files.find(sha256)
    if (found?.size === size) {
      await use(sha256, size, found.mtimeMs)
      return { path: layout.blob(sha256), size }
    }
    forget(sha256)
    if (found === null) return null
    log.warn('Cached blob is damaged: its size is wrong', { sha256, size, actual: found.size })
    await drop(sha256)
    return null
  }

  /** What is really there, whoever brought it. */
  async function look(): Promise<void> {
    const found: [string, Known][] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await files.list(cursor)
      for (const { sha256, size, committedAt } of page.blobs) {
        const usedAt = Math.max(committedAt, known.get(sha256)?.usedAt ?? 0)
        found.push([sha256, { size, usedAt }])
      }
      cursor = page.cursor
    }
    found.sort(([, one], [, other]) => one.usedAt - other.usedAt)
    known = new Map(found)
    usedBytes = found.reduce((sum, [, { size }]) => sum + size, 0)
    addedBytes = 0
  }

  /** Says whether `bytes` more fit now, and so much of the disk is free. */
  async function makeRoom(bytes: number, freeWanted: number): Promise<boolean> {
    if (bytes > limitBytes) return false
    const mayBeFull = usedBytes + bytes > limitBytes || addedBytes > limitBytes * LOOK_EVERY_PART
    if (mayBeFull) await look()
    let excess = Math.max(usedBytes + bytes - limitBytes, freeWanted - (await freeBytes()))
    if (excess <= 0) return true
    excess += limitBytes * CLEARED_PART
    for (const [sha256, { size, usedAt }] of [...known]) {
      if (excess <= 0) break
      if (clock.now() - usedAt < IN_USE_MS) continue
      await drop(sha256)
      excess -= size
    }
    return excess <= limitBytes * CLEARED_PART
  }

  async function freeBytes(): Promise<number> {
    await mkdir(layout.staging, { recursive: true })
    const { bavail, bsize } = await statfs(layout.staging)
    return bavail * bsize
  }

  /** One at a time: two would make the same room. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = clearing.then(work)
    clearing = turn.catch(() => {})
    return turn
  }

  async function place(path: string, sha256: string, size: number): Promise<boolean> {
    if (!(await makeRoom(size, reservedBytes))) return false
    const target = layout.blob(sha256)
    try {
      await rename(path, target)
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
      await mkdir(layout.fanOut(sha256), { recursive: true })
      await rename(path, target)
    }
    remember(sha256, size, clock.now())
    addedBytes += size
    return true
  }

  return {
    get usedBytes() {
      return usedBytes
    },
    find,
    async known(sha256) {
      const size = known.get(sha256)?.size
      return size === undefined ? null : find(sha256, size)
    },
    async adopt(path, sha256, size) {
      try {
        if (await inTurn(() => place(path, sha256, size))) return
      } catch (error) {
        log.warn('Cannot keep blob in the disk cache', { sha256, size, error })
      }
      await unlink(path).catch(() => {})
    },
    drop,
    async mayTake(size = 0) {
      if (size > limitBytes) return false
      const freeWanted = reservedBytes + size
      return (await freeBytes()) >= freeWanted || (await inTurn(() => makeRoom(size, freeWanted)))
    },
  }
}
