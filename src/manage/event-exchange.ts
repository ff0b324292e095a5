// Live events between the processes that share the stores. Whoever has watchers says so every few seconds; the others
// send what happens at theirs only while they hear that, in batches small enough for every carrier.

import type { Broadcast } from '../ports/broadcast.ts'
import type { Clock } from '../ports/clock.ts'

export interface EventExchange<Event> {
  /** True while another process has watchers. */
  readonly isHeard: boolean
  publish(event: Event): void
  /** Hears the others as long as `isWanted` says so. */
  listen(isWanted: () => boolean): void
  close(): void
}

export interface EventExchangeParts<Event> {
  readonly broadcast: Broadcast
  readonly clock: Clock
  hear(event: Event): void
  /** So many events of others were lost; null = nobody knows how many. */
  miss(events: number | null): void
}

interface Batch {
  readonly lost: number
  readonly events: readonly unknown[]
}

const EVENTS = 'events'
const WANTED = 'events-wanted'
const SAY_MS = 5_000
const BELIEVE_MS = 15_000
const BATCH_MS = 100
/** Postgres carries 8000 bytes. */
const BATCH_CHARACTERS = 7_000
/** Of one batch time; what is more than that is counted only. */
const BATCHES = 20

export function createEventExchange<Event>(parts: EventExchangeParts<Event>): EventExchange<Event> {
  const { broadcast, clock, hear, miss } = parts
  const ended = new AbortController()
  let wantedUntil = 0
  let isListening = false
  let waiting: string[] = []
  let characters = 0
  let batches = 0
  let lost = 0
  let isSending = false

  const stopHearing = broadcast.subscribe(
    WANTED,
    () => {
      wantedUntil = clock.now() + BELIEVE_MS
    },
    () => {},
  )

  function publish(event: Event): void {
    if (!isSending) void sendSoon()
    const text = JSON.stringify(event)
    if (batches >= BATCHES || text.length > BATCH_CHARACTERS) {
      lost++
      return
    }
    if (characters + text.length > BATCH_CHARACTERS) send()
    waiting.push(text)
    characters += text.length + 1
  }

  async function sendSoon(): Promise<void> {
    isSending = true
    await clock.sleep(BATCH_MS, ended.signal)
    isSending = false
    if (waiting.length > 0 || lost > 0) send()
    batches = 0
  }

  function send(): void {
    broadcast.publish(EVENTS, `{"lost":${lost},"events":[${waiting.join(',')}]}`)
    waiting = []
    characters = 0
    lost = 0
    batches++
  }

  function receive(message: string): void {
    const batch = readBatch(message)
    if (batch === null) return
    if (batch.lost > 0) miss(batch.lost)
    for (const event of batch.events) hear(event as Event) // written by this very program
  }

  const say = () => broadcast.publish(WANTED, '')

  async function listen(isWanted: () => boolean): Promise<void> {
    say()
    if (isListening) return
    isListening = true
    let isBegun = false
    const stop = broadcast.subscribe(EVENTS, receive, () => {
      // Whoever was cut off may not have heard that events are wanted.
      say()
      if (isBegun) miss(null)
      isBegun = true
    })
    let quietMs = 0
    while (!ended.signal.aborted && quietMs < BELIEVE_MS) {
      await clock.sleep(SAY_MS, ended.signal)
      quietMs = isWanted() ? 0 : quietMs + SAY_MS
      if (isWanted()) say()
    }
    stop()
    isListening = false
  }

  return {
    get isHeard() {
      if (wantedUntil === 0) return false
      if (clock.now() >= wantedUntil) wantedUntil = 0
      return wantedUntil !== 0
    },
    publish,
    listen: isWanted => void listen(isWanted),
    close() {
      stopHearing()
      ended.abort()
    },
  }
}

function readBatch(message: string): Batch | null {
  try {
    const value: unknown = JSON.parse(message)
    const { lost, events } = value as Partial<Batch> // checked below
    return typeof lost === 'number' && Array.isArray(events) ? { lost, events } : null
  } catch {
    return null
  }
}
