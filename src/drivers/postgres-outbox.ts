// What this process has to say to others, in order, as many messages in one notification as it may have. What cannot be
// sent becomes a gap, which is sent as soon as anything can be.

import type { Notification } from './postgres-inbox.ts'

export interface BroadcastOutbox {
  add(topic: string, message: string): void
  /** When nothing more is added: waits until all of it is sent, or cannot be. */
  close(): Promise<void>
}

/** Postgres takes payloads of less than 8000 bytes. */
const PAYLOAD_BYTES = 7_900
/** More than this waits for nobody: the topics concerned have a gap then. */
const MESSAGE_LIMIT = 5_000

interface Message {
  readonly topic: string
  /** Null = gap. */
  readonly text: string | null
  readonly bytes: number
}

export function createBroadcastOutbox(
  sender: string,
  send: (payload: string) => Promise<void>,
): BroadcastOutbox {
  let waiting: Message[] = []
  let number = 0
  let sending: Promise<void> | null = null
  let isClosed = false

  function add(topic: string, text: string): void {
    if (waiting.length >= MESSAGE_LIMIT) waiting = gapsOf(waiting)
    const message = toMessage(topic, text)
    waiting.push(message.bytes <= PAYLOAD_BYTES - ENVELOPE_BYTES ? message : toMessage(topic, null))
    sending ??= sendAll().finally(() => {
      sending = null
    })
  }

  async function sendAll(): Promise<void> {
    // What is published in the same turn goes out together.
    await Promise.resolve()
    while (waiting.length > 0) {
      const page = takePage()
      const messages = page.map(({ topic, text }) => [topic, text] as const)
      const notification: Notification = [sender, ++number, messages]
      await send(JSON.stringify(notification)).catch(() => {
        // It may have arrived, or not: a gap is right in both cases, and goes before all that waits.
        waiting = isClosed ? [] : gapsOf([...page, ...waiting])
      })
    }
  }

  function takePage(): Message[] {
    let bytes = ENVELOPE_BYTES
    let count = 0
    for (const message of waiting) {
      bytes += message.bytes
      if (count > 0 && bytes > PAYLOAD_BYTES) break
      count++
    }
    return waiting.splice(0, count)
  }

  return {
    add,
    async close() {
      isClosed = true
      await sending
    },
  }
}

/** Brackets, the name of the sender and the number. */
const ENVELOPE_BYTES = 80

function toMessage(topic: string, text: string | null): Message {
  const bytes = new TextEncoder().encode(JSON.stringify([topic, text])).byteLength + 1
  return { topic, text, bytes }
}

function gapsOf(messages: readonly Message[]): Message[] {
  return [...new Set(messages.map(({ topic }) => topic))].map(topic => toMessage(topic, null))
}
