// Whether a back end that something else can stand in for answers. The first call that fails says it does not; from
// then on it is left alone, so that it costs nobody a wait, and asked in the background until it answers again.

import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'

export interface Health {
  /** Why it does not answer; null while it does, or while it is not known yet. */
  fault(): string | null
  /**
   * What `work` answers. Fails at once while the back end is away; waits a moment for the very first connection.
   * A failure of `work` means that it is away.
   */
  attempt<T>(work: () => Promise<T>): Promise<T>
  watch(listener: HealthListener): void
  close(): void
}

export interface HealthListener {
  away?(): void
  back?(): void
}

export interface HealthParts {
  /** For messages: `Redis 10.0.0.5:6379`. */
  readonly name: string
  /** What holds while it is away, for the log. */
  readonly standIn: string
  /** Fails while the back end is of no use; has an end of its own. */
  probe(): Promise<void>
  /** Where a connection tells its state by itself: null = it can be used, else why not. */
  link?(listener: (fault: string | null) => void): () => void
  readonly clock: Clock
  readonly log: Log
}

const START_MS = 1_000
const PROBE_MS = 250
/** Failures of single calls are logged this often at most. */
const ODDITY_MS = 60_000

export function createFallbackHealth(parts: HealthParts): Health {
  const { name, standIn, probe, link, clock, log } = parts
  const listeners = new Set<HealthListener>()
  const started = new AbortController()
  let isClosed = false
  let fault: string | null = null
  /** Grows whenever it goes or comes, so that what was asked before does not count afterwards. */
  let epoch = 0
  /** Since when it is away, once that is sure enough to be said. */
  let saidAwayAt: number | null = null
  let oddAt = Number.NEGATIVE_INFINITY
  let awake = new AbortController()

  function lose(reason: string, isSure: boolean): void {
    if (isClosed) return
    const isNews = fault === null
    fault = reason
    if (isSure) sayAway()
    if (!isNews) return
    epoch++
    started.abort()
    for (const listener of listeners) listener.away?.()
    void recover(isSure ? null : reason)
  }

  function find(): void {
    const wasAway = fault !== null
    fault = null
    started.abort()
    if (!wasAway) return
    epoch++
    if (saidAwayAt !== null) {
      log.info(`${name} is back`, { awaySeconds: Math.round((clock.now() - saidAwayAt) / 1000) })
    }
    saidAwayAt = null
    for (const listener of listeners) listener.back?.()
  }

  /** `doubt`: a single call failed so, and the back end may be well for all that. */
  async function recover(doubt: string | null): Promise<void> {
    for (let isFirst = true; ; isFirst = false) {
      try {
        await probe()
        if (isClosed) return
        if (isFirst && doubt !== null) sayOdd(doubt)
        return find()
      } catch (error) {
        fault = reasonOf(error)
        sayAway()
      }
      if (isClosed) return
      awake = new AbortController()
      await clock.sleep(PROBE_MS, awake.signal)
    }
  }

  function sayAway(): void {
    if (saidAwayAt !== null || isClosed) return
    saidAwayAt = clock.now()
    log.warn(`${name} is away`, { reason: fault, meanwhile: standIn })
  }

  function sayOdd(reason: string): void {
    if (clock.now() - oddAt < ODDITY_MS) return
    oddAt = clock.now()
    log.warn(`${name} answers, but not to everything`, { reason, meanwhile: standIn })
  }

  async function start(): Promise<void> {
    if (link === undefined) {
      await probe().then(find, error => lose(reasonOf(error), true))
    } else {
      await clock.sleep(START_MS, started.signal)
      if (!started.signal.aborted) lose(`no connection within ${START_MS} ms`, true)
    }
  }

  const unlink = link?.(linkFault => {
    if (linkFault !== null) lose(linkFault, true)
    else if (fault === null) find()
    else awake.abort()
  })
  void start()

  return {
    fault: () => fault,
    async attempt(work) {
      if (!started.signal.aborted) await clock.sleep(START_MS, started.signal)
      if (fault !== null) throw new Problem('values-broken', `${name} is away: ${fault}`)
      const askedIn = epoch
      try {
        return await work()
      } catch (error) {
        if (askedIn === epoch) lose(reasonOf(error), false)
        throw error
      }
    },
    watch: listener => void listeners.add(listener),
    close() {
      unlink?.()
      isClosed = true
      awake.abort()
      started.abort()
    },
  }
}

function reasonOf(error: unknown): string {
  // Without what is said in every message.
  if (error instanceof Problem && typeof error.detail.reason === 'string') return error.detail.reason
  return error instanceof Error ? error.message : String(error)
}
