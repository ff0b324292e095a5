// Messages between processes through Redis, which keeps none: whoever is not connected at that moment misses them. So
// both ends watch: the hearing one tells a gap whenever it was cut off, and the telling one, when it could not send,
// has the others told of a gap before anything else. All topics share a channel, so that a subscription holds at once.

import type { Broadcast } from '../ports/broadcast.ts'
import type { Clock } from '../ports/clock.ts'
import type { RedisConnection } from './redis-commands.ts'

interface Subscription {
  onMessage(message: string): void
  onGap(): void
}

/** A server that falls silent does not close its connections. */
const BEAT_MS = 2_000
/** Processes whose last message is remembered. */
const SENDER_LIMIT = 1_000

export function createRedisBroadcast(
  connection: Required<RedisConnection>,
  prefix: string,
  clock: Clock,
): Broadcast {
  const channel = `${prefix}messages`
  const self = crypto.randomUUID()
  const topics = new Map<string, Set<Subscription>>()
  /** Topics that others may have missed something of. */
  const missed = new Set<string>()
  /** By sender: the number of its last message. */
  const lastNumbers = new Map<string, number>()
  const closing = new AbortController()
  let isHearing = false
  let canSend = false
  let number = 0

  const hearing = connection.hear(channel, {
    begun: beginHearing,
    ended() {
      isHearing = false
    },
    message: receive,
  })
  const unwatch = connection.watch(fault => {
    canSend = fault === null
    if (canSend) tellGaps()
  })
  void beat()

  function beginHearing(): void {
    if (isHearing || closing.signal.aborted) return
    for (const topic of [...topics.keys()]) for (const { onGap } of subscriptionsOf(topic)) onGap()
    isHearing = true
  }

  function receive(text: string): void {
    // A message may come before the answer that says that messages come.
    beginHearing()
    const [sender, sentNumber, topic, message] = JSON.parse(text) as Message // only we write to our channel
    if (sender === self || !isNew(sender, sentNumber)) return
    for (const { onMessage, onGap } of subscriptionsOf(topic)) {
      if (message === null) onGap()
      else onMessage(message)
    }
  }

  function subscriptionsOf(topic: string): Subscription[] {
    return [...(topics.get(topic) ?? [])]
  }

  /** What was sent again because its connection broke may arrive twice. */
  function isNew(sender: string, sentNumber: number): boolean {
    if (sentNumber <= (lastNumbers.get(sender) ?? 0)) return false
    lastNumbers.delete(sender)
    lastNumbers.set(sender, sentNumber)
    const [oldest] = lastNumbers.keys()
    if (lastNumbers.size > SENDER_LIMIT && oldest !== undefined) lastNumbers.delete(oldest)
    return true
  }

  function send(topic: string, message: string | null): void {
    const sent = connection.commands.publish(
      channel,
      JSON.stringify([self, ++number, topic, message] satisfies Message),
    )
    sent.catch(() => missed.add(topic))
  }

  function tellGaps(): void {
    const told = [...missed]
    missed.clear()
    for (const topic of told) send(topic, null)
  }

  async function beat(): Promise<void> {
    for (;;) {
      await clock.sleep(BEAT_MS, closing.signal)
      if (closing.signal.aborted) return
      if (canSend) tellGaps()
      if (isHearing) await hearing.ping().catch(reconnect)
    }
  }

  function reconnect(): void {
    isHearing = false
    hearing.reset()
  }

  return {
    publish(topic, message) {
      if (closing.signal.aborted) return
      if (canSend) tellGaps()
      if (canSend) send(topic, message)
      else missed.add(topic)
    },
    subscribe(topic, onMessage, onGap) {
      const subscription = { onMessage, onGap }
      const subscriptions = topics.get(topic) ?? new Set()
      topics.set(topic, subscriptions.add(subscription))
      return () => {
        if (subscriptions.delete(subscription) && subscriptions.size === 0) topics.delete(topic)
      }
    },
    isConnected: () => isHearing && canSend,
    async close() {
      closing.abort()
      unwatch()
      isHearing = false
      hearing.close()
    },
  }
}

/** Who sent it, its number there, its topic, its text; no text: a gap. */
type Message = readonly [sender: string, number: number, topic: string, message: string | null]
