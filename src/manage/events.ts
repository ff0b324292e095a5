// What is happening now, for whoever watches: a hub in this process, and with a broadcast one over all processes that
// share the stores. While nobody watches, publishing costs a comparison or two; publishers with more than that to do
// ask `isHeard` first.

import type { Broadcast } from '../ports/broadcast.ts'
import type { Clock } from '../ports/clock.ts'
import { createEventExchange } from './event-exchange.ts'

/** Events that are kept for watchers who come back. */
const KEPT = 100

export interface RequestEvent {
  readonly kind: 'request'
  readonly requestId: string
  readonly method: string
  readonly repository: string
  readonly path: string
  readonly status: number
  readonly outcome: string
  readonly bytes: number | null
  readonly milliseconds: number
}

export interface TimedEvent extends RequestEvent {
  /** Epoch ms, by the clock of the process where it happened. */
  readonly at: number
}

export interface LiveEvent extends TimedEvent {
  /**
   * Grows with each event that this process sees; another process has other ones. They begin with the time in
   * microseconds, so that a watcher who comes back to another process, or after a restart, misses little and sees little twice.
   */
  readonly id: number
}

export interface EventHub {
  /** False: nobody would ever see it. */
  readonly isHeard: boolean
  publish(event: RequestEvent): void
  /**
   * Calls `listener` for each event from now on, and `onLost` when others were lost on their way here (null = nobody
   * knows how many); they must not throw. Returns the way to stop.
   */
  subscribe(listener: (event: LiveEvent) => void, onLost?: (events: number | null) => void): () => void
  /** The last events after `id`, as far as they are kept. */
  since(id: number): readonly LiveEvent[]
  /** Aborts when nothing will be published any more, so that a server that stops need not wait for its watchers. */
  readonly closed: AbortSignal
  close(): void
}

interface Watcher {
  listener(event: LiveEvent): void
  onLost?(events: number | null): void
}

export function createEventHub(clock: Clock, broadcast: Broadcast | null = null): EventHub {
  const watchers = new Set<Watcher>()
  const ring: LiveEvent[] = []
  const closing = new AbortController()
  let lastId = 0
  // After the last watcher left, one ring more is recorded, for it may come back.
  let unheard = KEPT

  const exchange =
    broadcast === null
      ? null
      : createEventExchange<TimedEvent>({
          broadcast,
          clock,
          hear: show,
          miss(events) {
            for (const { onLost } of watchers) onLost?.(events)
          },
        })

  function show(event: TimedEvent): void {
    if (watchers.size === 0 && unheard++ >= KEPT) {
      unheard = KEPT
      return
    }
    lastId = Math.max(lastId + 1, clock.now() * 1000)
    const live = { ...event, id: lastId }
    ring.push(live)
    if (ring.length > KEPT) ring.shift()
    for (const { listener } of watchers) listener(live)
  }

  return {
    get isHeard() {
      return watchers.size > 0 || unheard < KEPT || exchange?.isHeard === true
    },
    publish(event) {
      const timed = { ...event, at: clock.now() }
      if (exchange?.isHeard === true) exchange.publish(timed)
      show(timed)
    },
    subscribe(listener, onLost) {
      const watcher = { listener, onLost }
      watchers.add(watcher)
      exchange?.listen(() => watchers.size > 0)
      return () => {
        if (watchers.delete(watcher) && watchers.size === 0) unheard = 0
      }
    },
    closed: closing.signal,
    close() {
      closing.abort()
      exchange?.close()
    },
    since: id => ring.filter(event => event.id > id),
  }
}
