// Blobs of a far store on their way through this machine to somebody who reads them whole, and into the disk cache in
// the same pass. Whoever reads never waits for the disk: where that falls behind, the blob is read once more for it
// alone, at its own pace. What is read this way is held against its name, for the reader too: wrong bytes never come to
// their end.

import { createStagedDigests } from '../../src/drivers/staged-digests.ts'
import { Problem } from '../../src/model/problem.ts'
import type { StoredBlob } from '../../src/ports/blob-store.ts'
import type { Hasher } from '../../src/ports/hasher.ts'
import type { Log } from '../../src/ports/log.ts'
import type { FileStage } from './file-stage.ts'
import { createLateDigests, type LateDigests } from './late-digests.ts'

export interface CacheFills {
  /** The blob as it is in the store; read to its end, it is in the cache a moment later. */
  stream(blob: StoredBlob): ReadableStream<Uint8Array>
  /** Reads it to its end, and waits until it is in the cache. Fails when it cannot be read, not when it cannot be kept. */
  load(blob: StoredBlob): Promise<void>
}

export interface CacheFillsParts {
  readonly hasher: Hasher
  readonly log: Log
  /** A file that becomes an entry; null when there is no room. */
  openFile(size: number, digests: LateDigests): Promise<FileStage | null>
}

/** So much may wait for the disk, of all fills together. */
const BEHIND_LIMIT_BYTES = 64 * 1024 * 1024
const AT_ONCE = 32

interface Fill {
  /** True when the disk fell behind: the fill is over. */
  readonly isBehind: boolean
  /** Resolves when the disk has it. */
  take(chunk: Uint8Array): Promise<void>
  /** All of it came, and is right. */
  keep(sha256: string, size: number): void
  drop(): void
}

interface Waiting {
  bytes: number
}

export function createCacheFills({ hasher, log, openFile }: CacheFillsParts): CacheFills {
  /** Each resolves when nothing more is done about it. */
  const running = new Map<string, Promise<void>>()
  const waiting: Waiting = { bytes: 0 }

  async function begin({ sha256, size }: StoredBlob, isPatient: boolean): Promise<Fill | null> {
    if (running.has(sha256) || running.size >= AT_ONCE) return null
    const { promise, resolve } = Promise.withResolvers<void>()
    running.set(sha256, promise)
    const end = () => {
      running.delete(sha256)
      resolve()
    }
    const digests = createLateDigests(createStagedDigests(hasher, {}), false)
    const file = await openFile(size, digests).catch(error => {
      log.warn('Cannot fill the disk cache', { sha256, error })
      return null
    })
    if (file !== null) return createFill(file, digests, waiting, isPatient, log, end)
    end()
    return null
  }

  /** A patient reader waits for the disk. */
  function pass(blob: StoredBlob, isPatient: boolean): ReadableStream<Uint8Array> {
    const { sha256, size } = blob
    const reader = blob.stream().getReader()
    const hash = hasher('sha256')
    let filling: Promise<Fill | null> | null = null
    let position = 0

    async function readNext(): Promise<Uint8Array | null> {
      filling ??= begin(blob, isPatient)
      const fill = await filling
      const { done, value } = await reader.read()
      if (done) return null
      hash.update(value)
      position += value.byteLength
      const isTaken = fill?.take(value)
      if (isPatient) await isTaken
      if (position < size) return value
      if (hash.hex() !== sha256) throw damage(sha256)
      fill?.keep(sha256, size)
      if (fill?.isBehind) void again(blob)
      return value
    }

    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          try {
            const chunk = await readNext()
            if (chunk === null) controller.close()
            else controller.enqueue(chunk)
          } catch (error) {
            reader.cancel(error).catch(() => {})
            ;(await filling)?.drop()
            throw error
          }
        },
        async cancel(reason) {
          await reader.cancel(reason)
          ;(await filling)?.drop()
        },
      },
      { highWaterMark: 0 },
    )
  }

  async function load(blob: StoredBlob): Promise<void> {
    const reader = pass(blob, true).getReader()
    while (!(await reader.read()).done);
    await running.get(blob.sha256)
  }

  async function again(blob: StoredBlob): Promise<void> {
    await running.get(blob.sha256)
    await load(blob).catch(error => log.warn('Cannot fill the disk cache', { sha256: blob.sha256, error }))
  }

  return { stream: blob => pass(blob, false), load }
}

/** True when the store has the blob, and its bytes are wrong. */
export function isDamage(error: unknown): boolean {
  return error instanceof Problem && error.detail.isDamaged === true
}

function createFill(
  file: FileStage,
  digests: LateDigests,
  waiting: Waiting,
  isPatient: boolean,
  log: Log,
  onEnd: () => void,
): Fill {
  let isOver = false
  let isDropped = false
  let isBehind = false
  /** A file takes one chunk after the other. */
  let written: Promise<void> = Promise.resolve()

  function end(work: () => Promise<unknown>): void {
    isOver = true
    written
      .then(work)
      .catch(error => log.warn('Cannot keep blob in the disk cache', { error }))
      .then(() => file.discard())
      .then(() => file.close())
      .catch(() => {})
      .finally(onEnd)
  }

  function drop(): void {
    if (isOver) return
    isDropped = true
    end(() => file.discard())
  }

  async function write(chunk: Uint8Array): Promise<void> {
    if (!isDropped) await file.write(chunk)
  }

  return {
    get isBehind() {
      return isBehind
    },
    async take(chunk) {
      if (isOver) return
      isBehind = !isPatient && waiting.bytes > BEHIND_LIMIT_BYTES
      if (isBehind) return drop()
      waiting.bytes += chunk.byteLength
      // A copy: whoever reads may do with its chunk what it likes.
      const copy = chunk.slice()
      written = written.then(() => write(copy))
      await written.catch(drop)
      waiting.bytes -= copy.byteLength
    },
    keep(sha256, size) {
      if (isOver) return
      digests.tell({ sha256, size, digests: [{ algorithm: 'sha256', hex: sha256 }] })
      end(() => file.commit())
    },
    drop,
  }
}

function damage(sha256: string): Problem {
  return new Problem('store-broken', `Cannot read blob ${sha256}: its bytes are others`, { isDamaged: true })
}
