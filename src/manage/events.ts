// What is happening now, for whoever watches: a hub in this process. While nobody watches, publishing costs a
// comparison; publishers with more than that to do ask `isHeard` first.

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

export interface LiveEvent extends RequestEvent {
  /** Grows by one with each event of this process. */
  readonly id: number
  /** Epoch ms. */
  readonly at: number
}

export interface EventHub {
  /** False: nobody would ever see it. */
  readonly isHeard: boolean
  publish(event: RequestEvent): void
  /** Calls `listener` for each event from now on; it must not throw. Returns the way to stop. */
  subscribe(listener: (event: LiveEvent) => void): () => void
  /** The last events after `id`, as far as they are kept. */
  since(id: number): readonly LiveEvent[]
  /** Aborts when nothing will be published any more, so that a server that stops need not wait for its watchers. */
  readonly closed: AbortSignal
  close(): void
}

export function createEventHub(clock: { now(): number }): EventHub {
  const listeners = new Set<(event: LiveEvent) => void>()
  const ring: LiveEvent[] = []
  const closing = new AbortController()
  let lastId = 0
  // After the last listener left, one ring more is recorded, for it may come back.
  let unheard = KEPT

  return {
    get isHeard() {
      return listeners.size > 0 || unheard < KEPT
    },
    publish(event) {
      if (listeners.size === 0 && unheard++ >= KEPT) {
        unheard = KEPT
        return
      }
      const live = { ...event, id: ++lastId, at: clock.now() }
      ring.push(live)
      if (ring.length > KEPT) ring.shift()
      for (const listener of listeners) listener(live)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => {
        if (listeners.delete(listener) && listeners.size === 0) unheard = 0
      }
    },
    closed: closing.signal,
    close: () => closing.abort(),
    since: id => ring.filter(event => event.id > id),
  }
}
