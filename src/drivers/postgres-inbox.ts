// What other processes notified, sorted out for those who subscribed: nothing of our own, nothing twice, and a gap where
// something is missing.

import type { Broadcast } from '../ports/broadcast.ts'

export interface BroadcastInbox {
  subscribe: Broadcast['subscribe']
  /** A notification as it came. */
  receive(payload: string): void
  /** Hearing begins, again perhaps: anything may have been missed. */
  restart(): void
}

/** As it is sent. A message of null is a gap: what was said could not be sent. */
export type Notification = readonly [
  sender: string,
  number: number,
  messages: readonly (readonly [topic: string, message: string | null])[],
]

/** Senders whose numbers are remembered: those of processes that live now, and some more. */
const SENDER_LIMIT = 1_000

interface Listener {
  readonly topic: string
  onMessage(message: string): void
  onGap(): void
}

export function createBroadcastInbox(self: string): BroadcastInbox {
  const listeners = new Set<Listener>()
  const numbers = new Map<string, number>()

  function receive(payload: string): void {
    const notification = parseNotification(payload)
    if (notification === null) return
    const [sender, number, messages] = notification
    if (sender === self) return
    const last = numbers.get(sender)
    if (last !== undefined && number <= last) return
    numbers.delete(sender)
    numbers.set(sender, number)
    if (numbers.size > SENDER_LIMIT) numbers.delete([...numbers.keys()][0] ?? '')
    if (last !== undefined && number > last + 1) gap()
    for (const [topic, message] of messages) deliver(topic, message)
  }

  function deliver(topic: string, message: string | null): void {
    for (const listener of [...listeners]) {
      if (listener.topic !== topic || !listeners.has(listener)) continue
      if (message === null) listener.onGap()
      else listener.onMessage(message)
    }
  }

  function gap(): void {
    for (const listener of [...listeners]) if (listeners.has(listener)) listener.onGap()
  }

  return {
    receive,
    restart() {
      numbers.clear()
      gap()
    },
    subscribe(topic, onMessage, onGap) {
      const listener = { topic, onMessage, onGap }
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** Null for what others say on the same channel. */
function parseNotification(payload: string): Notification | null {
  try {
    const value: unknown = JSON.parse(payload)
    if (!Array.isArray(value) || value.length !== 3) return null
    const [sender, number, messages] = value
    if (typeof sender !== 'string' || typeof number !== 'number' || !Array.isArray(messages)) return null
    return [sender, number, messages.filter(isMessage)]
  } catch {
    return null
  }
}

function isMessage(value: unknown): value is readonly [string, string | null] {
  if (!Array.isArray(value)) return false
  const [topic, message] = value
  return typeof topic === 'string' && (typeof message === 'string' || message === null)
}
