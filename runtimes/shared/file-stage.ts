// One body on its way to becoming a blob file. The file stays open for `read` until `close`, even after the
// blob was renamed or removed; it is closed only when no operation on its number is under way.

import { unlink } from 'node:fs/promises'
import type { StagedDigests } from '../../src/drivers/staged-digests.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Committed, Stage } from '../../src/ports/blob-store.ts'
import { closeFile, hasCode, storeProblem } from './raw-files.ts'
import { createWriteBehind } from './write-behind.ts'

export interface StagedFile {
  readonly id: string
  readonly path: string
  readonly fd: number
  /** Bytes it has already, of which `digests` know. */
  readonly size: number
}

export interface StagePlace {
  /** Makes the file a blob, durably. */
  keep(file: StagedFile, committed: Committed): Promise<void>
  /** Puts it away under its id, no longer owned by this process. */
  putAway(file: StagedFile): Promise<void>
  /** False where a power cut may take what is kept along. */
  readonly isDurable: boolean
}

/** It can always be read back. */
export type FileStage = Stage & Required<Pick<Stage, 'read' | 'close'>>

export function createFileStage(file: StagedFile, digests: StagedDigests, place: StagePlace): FileStage {
  const { id, path, fd } = file
  const queue = createWriteBehind(fd, file.size, `Cannot write stage ${id}`, place.isDurable)
  let isSpent = false
  let isReadingOver = false
  let releasing: Promise<void> | null = null

  function refuseSpent(action: string): void {
    if (isSpent) throw new Problem('internal', `Cannot ${action} stage ${id}: it is spent`)
  }

  function release(): Promise<void> {
    isReadingOver = true
    releasing ??= queue.stop().then(() => closeFile(fd))
    return releasing
  }

  async function drop(): Promise<void> {
    // The name first: what is unlinked but open is gone at the latest with this process.
    await unlink(path).catch(ignoreMissing)
    await release()
  }

  return {
    id,
    get offset() {
      return queue.length
    },
    async write(chunk) {
      refuseSpent('write to')
      digests.update(chunk)
      await queue.write(chunk)
    },
    async commit(announce) {
      refuseSpent('commit')
      isSpent = true
      try {
        await queue.drain()
        const committed = digests.finish(queue.length)
        await announce?.(committed)
        await place.keep(file, committed)
        if (isReadingOver) await release()
        return committed
      } catch (error) {
        await drop().catch(() => {})
        throw storeProblem(error, `Cannot commit stage ${id}`)
      }
    },
    async suspend() {
      refuseSpent('suspend')
      isSpent = true
      try {
        await queue.drain()
        await release()
        await place.putAway(file)
      } catch (error) {
        await drop().catch(() => {})
        throw storeProblem(error, `Cannot suspend stage ${id}`)
      }
    },
    async discard() {
      if (isSpent) return
      isSpent = true
      await drop()
    },
    async read(offset, limit) {
      if (isReadingOver) throw new Problem('store-broken', `Cannot read stage ${id}: it is closed`)
      try {
        return await queue.read(offset, limit)
      } catch (error) {
        throw storeProblem(error, `Cannot read stage ${id}`)
      }
    },
    async close() {
      isReadingOver = true
      if (isSpent) await release()
    },
  }
}

function ignoreMissing(error: unknown): void {
  if (!hasCode(error, 'ENOENT')) throw error
}
