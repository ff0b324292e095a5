// Small values in Redis, which ends their time to live itself.

import type { KeyValue } from '../ports/key-value.ts'
import { type RedisCommands, toTtlMs } from './redis-commands.ts'

export function createRedisKeyValue(commands: RedisCommands, prefix: string): KeyValue {
  const keyOf = (key: string) => `${prefix}value:${key}`
  return {
    get: key => commands.get(keyOf(key)),
    async set(key, value, ttlSeconds) {
      if (ttlSeconds > 0) await commands.set(keyOf(key), value, toTtlMs(ttlSeconds))
      else await commands.delete(keyOf(key))
    },
    delete: key => commands.delete(keyOf(key)),
  }
}
