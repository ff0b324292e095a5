// One body on its way into a far store, and in the same pass into a file of this machine. The file is what `read` reads,
// and becomes a cached blob at the commit. When the store fails meanwhile, the file goes on alone and is sent again at
// the commit; when the file fails, the store goes on alone, and what is missing can be read from the committed blob.

import { createStageLife } from '../../src/drivers/stage-life.ts'
import { Problem } from '../../src/model/problem.ts'
import type { BlobStore, Committed, Stage } from '../../src/ports/blob-store.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { Log } from '../../src/ports/log.ts'
import type { FileStage } from './file-stage.ts'
import type { LateDigests } from './late-digests.ts'

export interface CachedStageParts {
  readonly store: BlobStore
  readonly clock: Clock
  readonly log: Log
  /** Null: only the file is written until the commit. */
  readonly far: Stage | null
  /** Its `commit` makes a cached blob of it. */
  readonly file: FileStage
  /** Of the file. */
  readonly digests: LateDigests
}

type Announce = (facts: Committed) => Promise<void>

/** Before a body is sent to the store the first time, the second … */
const SEND_PAUSES_MS: readonly number[] = [0, 1000, 4000]
const SEND_BYTES = 1024 * 1024

export function createCachedStage({ store, clock, log, file, digests, ...given }: CachedStageParts): Stage {
  const { id } = given.far ?? file
  const life = createStageLife(id)
  let { far } = given
  let isFileWhole = true
  let isFileSpent = false
  let isUnannounced = false

  /** The store goes on alone, if there is one. */
  function loseFile(error: unknown): void {
    isFileWhole = false
    if (far === null) throw error
    log.warn(`Stage ${id} goes on without the disk cache`, { error })
  }

  /** The file goes on alone, if it can. */
  async function loseFar(error: unknown): Promise<void> {
    if (!isFileWhole || isUnannounced || !isBroken(error)) throw error
    log.warn(`Stage ${id} will be sent to the store from the disk cache`, { error })
    await far?.discard().catch(() => {})
    far = null
  }

  /** A body that is sent again was announced before. */
  function announcing(announce: Announce | undefined): Announce {
    let isDone = announce === undefined
    return async facts => {
      if (isDone) return
      isUnannounced = true
      await announce?.(facts)
      isUnannounced = false
      isDone = true
    }
  }

  async function commitFar(stage: Stage, announce: Announce): Promise<Committed> {
    const committed = await stage.commit(announce)
    // What is missing there makes it no blob, but what is there may be read until `close`.
    if (!isFileWhole) return committed
    digests.tell(committed)
    isFileSpent = true
    await file.commit().catch(error => log.warn(`Stage ${id} is not kept in the disk cache`, { error }))
    return committed
  }

  async function commitFile(announce: Announce): Promise<Committed> {
    if (!digests.areKnown) await digests.takeFrom(piecesOf(file))
    isFileSpent = true
    return file.commit(facts => send(facts, announce))
  }

  async function send(facts: Committed, announce: Announce): Promise<void> {
    for (const [attempt, pauseMs] of SEND_PAUSES_MS.entries()) {
      if (pauseMs > 0) await clock.sleep(pauseMs)
      try {
        return await sendOnce(facts, announce)
      } catch (error) {
        const isLast = attempt === SEND_PAUSES_MS.length - 1
        if (isLast || isUnannounced || !isBroken(error)) throw error
        log.warn(`Blob ${facts.sha256} could not be sent to the store, and is sent again`, { error })
      }
    }
  }

  /** Digest and size are known by now: the store can have it straight in its place. */
  async function sendOnce({ sha256, size }: Committed, announce: Announce): Promise<void> {
    const stage = await store.stage({ expected: [{ algorithm: 'sha256', hex: sha256 }], size })
    try {
      for await (const bytes of piecesOf(file)) await stage.write(bytes)
      await stage.commit(announce)
    } finally {
      await stage.discard()
      await stage.close?.()
    }
  }

  return {
    id,
    get offset() {
      return isFileWhole ? file.offset : (far?.offset ?? 0)
    },
    async write(chunk) {
      life.refuseSpent('write to')
      const [toFar, toFile] = await Promise.allSettled([
        far?.write(chunk),
        isFileWhole ? file.write(chunk) : undefined,
      ])
      if (toFile.status === 'rejected') loseFile(toFile.reason)
      if (toFar.status === 'rejected') await loseFar(toFar.reason)
    },
    async commit(announce) {
      life.spend('commit')
      const announceOnce = announcing(announce)
      try {
        if (far === null) return await commitFile(announceOnce)
        return await commitFar(far, announceOnce).catch(async error => {
          await loseFar(error)
          return commitFile(announceOnce)
        })
      } catch (error) {
        await file.discard()
        throw error
      }
    },
    async suspend() {
      life.spend('suspend')
      isFileSpent = true
      try {
        await (far ?? file).suspend()
      } catch (error) {
        if (far === null) throw error
        await loseFar(error)
        await file.suspend()
      }
      await file.discard()
    },
    async discard() {
      if (life.isSpent) return
      life.spend('discard')
      isFileSpent = true
      await Promise.all([far?.discard(), file.discard()])
    },
    get read() {
      return isFileWhole ? file.read : undefined
    },
    async close() {
      await far?.close?.()
      // Not whole, so no blob was made of it.
      if (life.isSpent && !isFileSpent) await file.discard()
      await file.close()
    },
  }
}

async function* piecesOf(file: FileStage): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < file.offset; ) {
    const bytes = await file.read(at, SEND_BYTES)
    at += bytes.byteLength
    yield bytes
  }
}

function isBroken(error: unknown): boolean {
  return error instanceof Problem && error.code === 'store-broken'
}
