// Finished blobs as files: found, kept, removed, listed. A commit and a removal of the same blob may meet, in two
// processes too: the modification time is when it was last committed, and a removal puts back what was touched
// since. Either the removal sees the touch, or the commit sees the name gone and puts its own bytes there.

import type { Stats } from 'node:fs'
import { link, mkdir, readdir, rename, stat, unlink, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isSha256 } from '../../src/model/digest.ts'
import type { BlobPage } from '../../src/ports/blob-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { BlobLayout } from './blob-layout.ts'
import { trashName } from './blob-layout.ts'
import type { StagedFile } from './file-stage.ts'
import { hasCode, syncDirectory, syncFile, touchFile } from './raw-files.ts'

const PAGE_SIZE = 1000
const STATS_AT_ONCE = 64

export interface BlobFiles {
  find(sha256: string): Promise<Stats | null>
  /** The staged file becomes the blob, or the blob that is there already counts as committed now. */
  keep(file: StagedFile, sha256: string, size: number): Promise<void>
  remove(sha256: string, unlessCommittedSince?: number): Promise<boolean>
  /** Ends a removal: says whether the blob is gone, or was committed since and is back in its place. */
  settleTrash(trash: string, sha256: string, since: number): Promise<boolean>
  list(cursor: string): Promise<BlobPage>
}

export function createBlobFiles(layout: BlobLayout, owner: string, clock: Clock): BlobFiles {
  /** Fan-out directories whose own names are known to be on the disk. */
  const durable = new Set<string>()

  async function makeDirectory(directory: string): Promise<void> {
    await mkdir(directory, { recursive: true })
    await syncDirectory(layout.blobs)
    await syncDirectory(dirname(layout.blobs))
    durable.add(directory)
  }

  /** True when a whole blob is there and nobody who condemned it before now will remove it. */
  async function touch(path: string, size: number): Promise<boolean> {
    if ((await found(path))?.size !== size) return false
    const now = new Date(clock.now())
    const isTouched = await succeeds(utimes(path, now, now), 'ENOENT')
    // The touch may have met the file on its way out: only a name that is still there counts.
    return isTouched && (await found(path))?.size === size
  }

  async function moveInto(from: string, directory: string, path: string): Promise<void> {
    if (!durable.has(directory)) await makeDirectory(directory)
    if (await succeeds(rename(from, path), 'ENOENT')) return
    await makeDirectory(directory)
    await rename(from, path)
  }

  async function settleTrash(trash: string, sha256: string, since: number): Promise<boolean> {
    const isCommittedSince = Math.round((await stat(trash)).mtimeMs) >= since
    if (isCommittedSince) await putBack(trash, layout.blob(sha256))
    else await unlink(trash)
    return !isCommittedSince
  }

  return {
    find: sha256 => found(layout.blob(sha256)),
    async keep(file, sha256, size) {
      const path = layout.blob(sha256)
      const directory = layout.fanOut(sha256)
      if (await touch(path, size)) {
        await unlink(file.path)
      } else {
        await syncFile(file.fd)
        await touchFile(file.fd, new Date(clock.now()))
        await moveInto(file.path, directory, path)
      }
      await syncDirectory(directory)
    },
    async remove(sha256, unlessCommittedSince) {
      const path = layout.blob(sha256)
      if (unlessCommittedSince === undefined) return succeeds(unlink(path), 'ENOENT')
      const since = Math.max(0, Math.floor(unlessCommittedSince))
      const blob = await found(path)
      if (blob === null || Math.round(blob.mtimeMs) >= since) return false
      const trash = layout.owned(trashName(sha256, since), owner, 'trash')
      if (!(await succeeds(rename(path, trash), 'ENOENT'))) return false
      return settleTrash(trash, sha256, since)
    },
    settleTrash,
    async list(cursor) {
      const names = await namesAfter(layout.blobs, cursor)
      const blobs: BlobPage['blobs'][number][] = []
      for (let at = 0; at < names.length; at += STATS_AT_ONCE) {
        const some = names.slice(at, at + STATS_AT_ONCE)
        const stats = await Promise.all(some.map(name => found(layout.blob(name))))
        for (const [index, sha256] of some.entries()) {
          const blob = stats[index]
          if (blob) blobs.push({ sha256, size: blob.size, committedAt: Math.round(blob.mtimeMs) })
        }
      }
      return { blobs, cursor: names.length < PAGE_SIZE ? null : (names.at(-1) ?? null) }
    },
  }
}

/** Without replacing what was put there meanwhile. */
async function putBack(trash: string, path: string): Promise<void> {
  try {
    await link(trash, path)
  } catch (error) {
    // A file system without links: the same bytes either way, only the older time may win.
    if (!hasCode(error, 'EEXIST')) return rename(trash, path)
  }
  await unlink(trash)
}

/** The next page of names, in order, reading no more fan-out directories than it takes. */
async function namesAfter(blobs: string, cursor: string): Promise<string[]> {
  const names: string[] = []
  for (const fanOut of await sortedNames(blobs)) {
    if (fanOut < cursor.slice(0, 2)) continue
    const inside = await sortedNames(join(blobs, fanOut))
    for (const name of inside) {
      if (name > cursor && isSha256(name) && name.startsWith(fanOut)) names.push(name)
      if (names.length === PAGE_SIZE) return names
    }
  }
  return names
}

async function sortedNames(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort()
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}

async function found(path: string): Promise<Stats | null> {
  try {
    return await stat(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null
    throw error
  }
}

/** False when it failed with `code`; other failures are thrown. */
async function succeeds(work: Promise<void>, code: string): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if (hasCode(error, code)) return false
    throw error
  }
}
