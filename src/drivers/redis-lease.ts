// Leases in Redis: a key that only one can make and that ends by itself, with the token, a mark of the acquisition and
// the note as its value. Time is that of Redis. What was asked for and never answered may have been done, so every
// script can run twice, and what nobody holds is taken back as soon as Redis answers again.

import type { HeldLease, Lease } from '../ports/lease.ts'
import { type RedisCommands, toTtlMs } from './redis-commands.ts'

export interface RedisLease extends Lease {
  /** Takes back what may still be held though nobody here holds it: to be called when Redis answers again. */
  settle(): Promise<void>
}

export interface RedisLeaseParts {
  readonly commands: RedisCommands
  readonly prefix: string
  /** Milliseconds from any beginning, never set back. */
  readonly elapsedMs: () => number
}

/** Acquisitions and releases remembered for `settle`; those beyond it wait for their ttl. */
const UNSETTLED_LIMIT = 10_000

// The token grows even when the clock of Redis is set back. A copy that is sent again finds its own mark.
const ACQUIRE = `
local held = redis.call('GET', KEYS[1])
if held then
  local token, mark = string.match(held, '^(%d+) (%S+) ')
  if mark == ARGV[1] then return token end
  return false
end
local time = redis.call('TIME')
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local token = string.format('%.0f', math.max(time[1] * 1000000 + time[2], last + 1))
redis.call('SET', KEYS[1], token .. ' ' .. ARGV[1] .. ' ' .. ARGV[3], 'PX', ARGV[2])
redis.call('SET', KEYS[2], token)
return token`

const RENEW = `
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
if held or ARGV[3] == '0' then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

const RELEASE = `
local held = redis.call('GET', KEYS[1])
if held and string.match(held, '^%d+ (%S+) ') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`

export function createRedisLease({ commands, prefix, elapsedMs }: RedisLeaseParts): RedisLease {
  const tokenKey = `${prefix}lease-token`
  const keyOf = (name: string) => `${prefix}lease:${name}`
  /** By the mark of the acquisition: the key it may still hold. */
  const unsettled = new Map<string, string>()

  async function acquire(name: string, ttlSeconds: number, note = ''): Promise<HeldLease | null> {
    const key = keyOf(name)
    const mark = crypto.randomUUID()
    const askedAt = elapsedMs()
    const values = [mark, String(toTtlMs(ttlSeconds)), note]
    const token = await rememberingFailure(mark, key, commands.evaluate(ACQUIRE, [key, tokenKey], values))
    return token === null ? null : hold(key, mark, Number(token), note, askedAt + ttlSeconds * 1000)
  }

  function hold(key: string, mark: string, token: number, note: string, expiresAt: number): HeldLease {
    const value = `${token} ${mark} ${note}`
    let until = expiresAt
    let isOver = false
    return {
      token,
      async renew(ttlSeconds) {
        if (isOver) return false
        const askedAt = elapsedMs()
        // Redis may have lost everything: whoever would still hold it sets it again, unless another one was faster.
        const mayRestore = askedAt < until ? '1' : '0'
        const answer = await commands.evaluate(RENEW, [key], [value, String(toTtlMs(ttlSeconds)), mayRestore])
        if (Number(answer) === 1) until = askedAt + ttlSeconds * 1000
        else isOver = true
        return !isOver
      },
      async release() {
        isOver = true
        await rememberingFailure(mark, key, commands.evaluate(RELEASE, [key], [mark]))
      },
    }
  }

  async function rememberingFailure<T>(mark: string, key: string, work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      if (unsettled.size < UNSETTLED_LIMIT) unsettled.set(mark, key)
      throw error
    }
  }

  return {
    acquire,
    async holder(name) {
      const value = await commands.get(keyOf(name))
      const [, token, note = ''] = /^(\d+) \S+ ([\s\S]*)$/.exec(value ?? '') ?? []
      return token === undefined ? null : { token: Number(token), note }
    },
    async settle() {
      for (const [mark, key] of unsettled) {
        await commands.evaluate(RELEASE, [key], [mark])
        unsettled.delete(mark)
      }
    },
  }
}
