// Cached blobs that are used are read back once a day and compared with their names, one after the other and slowly: a
// scrub reads the store, and would never see what a disk did to a copy.

import type { Clock } from '../../src/ports/clock.ts'
import type { Hasher } from '../../src/ports/hasher.ts'
import type { Log } from '../../src/ports/log.ts'

export interface CacheChecks {
  /** It is in use: it is checked in a while, if it was not today. */
  want(sha256: string): void
  /** It was held against its name just now. */
  trust(sha256: string): void
}

export interface CacheChecksParts {
  readonly hasher: Hasher
  readonly clock: Clock
  readonly log: Log
  readonly bytesPerSecond: number
  /** Its bytes; null when it is there no more. */
  read(sha256: string): Promise<ReadableStream<Uint8Array> | null>
  drop(sha256: string): Promise<void>
}

const DAY_MS = 24 * 60 * 60_000
/** The oldest are forgotten, and checked again the sooner. */
const REMEMBERED = 100_000

export function createCacheChecks(parts: CacheChecksParts): CacheChecks {
  const { hasher, clock, log, bytesPerSecond, read, drop } = parts
  /** When each was checked, the oldest first. */
  const checked = new Map<string, number>()
  const wanted = new Set<string>()
  let isRunning = false

  function trust(sha256: string): void {
    wanted.delete(sha256)
    checked.delete(sha256)
    checked.set(sha256, clock.now())
    const oldest = checked.size > REMEMBERED ? checked.keys().next() : null
    if (oldest?.done === false) checked.delete(oldest.value)
  }

  async function isRight(sha256: string): Promise<boolean> {
    const reader = (await read(sha256))?.getReader()
    if (reader === undefined) return true
    const hash = hasher('sha256')
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return hash.hex() === sha256
      hash.update(value)
      await clock.sleep((value.byteLength / bytesPerSecond) * 1000)
    }
  }

  async function run(): Promise<void> {
    for (const sha256 of wanted) {
      trust(sha256)
      try {
        if (await isRight(sha256)) continue
        log.warn('Cached blob is damaged: its bytes are others', { sha256 })
        await drop(sha256)
      } catch (error) {
        log.warn('Cannot check cached blob', { sha256, error })
      }
    }
    isRunning = false
  }

  return {
    want(sha256) {
      const at = checked.get(sha256)
      if (at !== undefined && clock.now() - at < DAY_MS) return
      wanted.add(sha256)
      if (isRunning) return
      isRunning = true
      void run()
    },
    trust,
  }
}
