// Small values on Workers, in two tiers: the Cache API of this location for all, Workers KV, where there is one, as well
// for those that live 60 s and more, which is the least it takes. Both round times up, so the moment of expiry is kept
// inside the value.

import type { Clock } from '../../src/ports/clock.ts'
import type { KeyValue } from '../../src/ports/key-value.ts'
import type { Log } from '../../src/ports/log.ts'

export interface WorkersKeyValueOptions {
  /** Null: what this location forgets is forgotten. */
  readonly namespace: KVNamespace | null
  /** `caches.default`. On workers.dev it keeps nothing; then short-lived values are forgotten at once. */
  readonly cache: Cache
  readonly clock: Clock
  readonly log: Log
}

const KV_LEAST_SECONDS = 60
/** A short-lived value stays this long as a mark that hides an older, long-lived one of the same key. */
const MARK_SECONDS = 3600
/** KV allows 512 bytes. */
const NAME_LIMIT_BYTES = 400
const WARNING_PAUSE_MS = 60_000

export function createWorkersKeyValue({ namespace, cache, clock, log }: WorkersKeyValueOptions): KeyValue {
  let warnedAt = Number.NEGATIVE_INFINITY

  async function get(key: string) {
    const name = await nameOf(key)
    const near = await forgiving(async () => (await cache.match(urlOf(name)))?.text() ?? null)
    const text = near ?? (await forgiving(async () => (await namespace?.get(name)) ?? null))
    return text === null ? null : readValue(text, clock.now())
  }

  async function set(key: string, value: string, ttlSeconds: number) {
    const name = await nameOf(key)
    if (!(ttlSeconds > 0)) return remove(name)
    const text = `${clock.now() + ttlSeconds * 1000} ${value}`
    const expirationTtl = Math.ceil(ttlSeconds)
    const isLongLived = ttlSeconds >= KV_LEAST_SECONDS
    const age = isLongLived ? expirationTtl : MARK_SECONDS
    const near = new Response(text, { headers: { 'cache-control': `max-age=${age}` } })
    await Promise.all([
      forgiving(() => cache.put(urlOf(name), near)),
      isLongLived ? forgiving(async () => namespace?.put(name, text, { expirationTtl })) : null,
    ])
  }

  async function remove(name: string) {
    await Promise.all([
      forgiving(() => cache.delete(urlOf(name))),
      forgiving(async () => namespace?.delete(name)),
    ])
  }

  /** Forgetting is allowed and failing a request for it is not: KV refuses writes when they are too many. */
  async function forgiving<Result>(work: () => Promise<Result>): Promise<Result | null> {
    try {
      return await work()
    } catch (error) {
      if (clock.now() - warnedAt >= WARNING_PAUSE_MS) {
        warnedAt = clock.now()
        log.warn('Workers KV or cache failed; values are forgotten until it works again', { error })
      }
      return null
    }
  }

  return { get, set, delete: async key => remove(await nameOf(key)) }
}

function readValue(text: string, now: number): string | null {
  const space = text.indexOf(' ')
  return now < Number(text.slice(0, space)) ? text.slice(space + 1) : null
}

/** A name that KV takes: keys may be longer, and `.` and `..` are refused. */
async function nameOf(key: string): Promise<string> {
  const bytes = new TextEncoder().encode(key)
  if (bytes.byteLength <= NAME_LIMIT_BYTES) return `value/${key}`
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return `sha256/${Array.from(hash, byte => byte.toString(16).padStart(2, '0')).join('')}`
}

/** No such host exists; the Cache API only wants a URL. */
function urlOf(name: string): string {
  return `https://key-value.invalid/${encodeURIComponent(name)}`
}
