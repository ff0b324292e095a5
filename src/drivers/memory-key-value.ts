// Small values in this process: bounded by entries and by characters, the least recently used go first.
// Forgetting is allowed (the port says so); growing without end is not.

import type { Clock } from '../ports/clock.ts'
import type { KeyValue } from '../ports/key-value.ts'

export interface MemoryKeyValueLimits {
  readonly entries?: number
  /** Of keys and values together. A value that alone is larger is not kept. */
  readonly characters?: number
}

interface Entry {
  readonly value: string
  readonly expiresAt: number
}

export function createMemoryKeyValue(clock: Clock, limits: MemoryKeyValueLimits = {}): KeyValue {
  const { entries: entryLimit = 50_000, characters: characterLimit = 32 * 2 ** 20 } = limits
  // A Map iterates in the order of insertion, so the first key is the least recently used one.
  const entries = new Map<string, Entry>()
  let characters = 0

  async function get(key: string) {
    const entry = entries.get(key)
    if (entry === undefined) return null
    if (clock.now() >= entry.expiresAt) {
      forget(key)
      return null
    }
    entries.delete(key)
    entries.set(key, entry)
    return entry.value
  }

  async function set(key: string, value: string, ttlSeconds: number) {
    forget(key)
    const size = key.length + value.length
    if (!(ttlSeconds > 0) || size > characterLimit) return
    entries.set(key, { value, expiresAt: clock.now() + ttlSeconds * 1000 })
    characters += size
    for (const oldest of entries.keys()) {
      if (entries.size <= entryLimit && characters <= characterLimit) break
      forget(oldest)
    }
  }

  function forget(key: string) {
    const entry = entries.get(key)
    if (entry === undefined) return
    characters -= key.length + entry.value.length
    entries.delete(key)
  }

  return { get, set, delete: async key => forget(key) }
}
