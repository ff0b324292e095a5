// Redis over HTTPS, as Upstash offers it. Every call has an end of its own and is sent again once at most. Calls of one
// moment travel together, reads apart from writes, so they have no order: whoever needs one waits in between.

import type { Redis } from '@upstash/redis'
import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import { armDeadline } from './deadline.ts'
import type { RedisConnection, RedisOptions } from './redis-commands.ts'

const COMMAND_MS = 1_000

/** No `watch`: there is no connection to lose. No `hear`: the client does not tell when its subscriptions end. */
export function createUpstashConnection({ url, token = '' }: RedisOptions, clock: Clock): RedisConnection {
  const name = `Upstash ${new URL(url).host}`
  let client: Promise<Redis> | null = null

  async function open(): Promise<Redis> {
    const { Redis } = await import('@upstash/redis')
    return new Redis({
      url,
      token,
      automaticDeserialization: false,
      enableTelemetry: false,
      retry: { retries: 1, backoff: () => 20 },
      signal: () => deadline(clock),
    })
  }

  async function ask<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    client ??= open()
    try {
      return await work(await client)
    } catch (error) {
      const reason = reasonOf(error)
      throw new Problem('values-broken', `Cannot ask ${name}: ${reason}`, { reason })
    }
  }

  return {
    name,
    commands: {
      get: key => ask(client => client.get<string>(key)),
      set: (key, value, ttlMs) => ask(async client => void (await client.set(key, value, { px: ttlMs }))),
      delete: key => ask(async client => void (await client.del(key))),
      evaluate: (script, keys, values) =>
        ask(client => client.eval<string[], string | number | null>(script, [...keys], [...values])),
      publish: (channel, message) => ask(async client => void (await client.publish(channel, message))),
    },
    close: async () => {},
  }
}

function deadline(clock: Clock): AbortSignal {
  const ended = new AbortController()
  armDeadline(clock, COMMAND_MS, () => ended.abort(new Error(`no answer within ${COMMAND_MS} ms`)))
  return ended.signal
}

/** Errors of the client repeat the command, which is nobody's business. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const [reason = ''] = error.message.split(', command was:')
  // Where fetch only says that it failed, its cause knows why.
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : reason
}
