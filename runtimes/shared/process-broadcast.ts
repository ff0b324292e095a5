// Messages between the processes that one process started (WORKERS), by way of that one.

import process from 'node:process'
import type { Broadcast } from '../../src/ports/broadcast.ts'

interface Message {
  readonly topic: string
  readonly text: string
}

interface Listener {
  onMessage(message: string): void
  onGap(): void
}

/** In a process that was started with a channel to its parent. */
export function createProcessBroadcast(): Broadcast {
  const listeners = new Map<string, Set<Listener>>()

  function hear(value: unknown): void {
    if (!isMessage(value)) return
    for (const listener of [...(listeners.get(value.topic) ?? [])]) listener.onMessage(value.text)
  }
  process.on('message', hear)
  // Whoever lost its parent is about to end; until then nothing is heard any more.
  process.on('disconnect', () => {
    for (const each of listeners.values()) for (const listener of [...each]) listener.onGap()
  })

  return {
    publish(topic, text) {
      if (process.connected) process.send?.({ topic, text } satisfies Message)
    },
    subscribe(topic, onMessage, onGap) {
      const listener = { onMessage, onGap }
      const all = listeners.get(topic) ?? new Set()
      listeners.set(topic, all.add(listener))
      return () => all.delete(listener)
    },
    isConnected: () => process.connected === true,
    async close() {
      process.off('message', hear)
      listeners.clear()
    },
  }
}

export function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'topic' in value && 'text' in value
}
