// The body of an origin's answer, watched: it ends well only when it has exactly its declared length, it may not
// stall while somebody waits for it, and however it ends its connection and its place are given back.

import { Problem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import { armDeadline } from './deadline.ts'

export interface BodyWatch {
  /** As it may be shown. */
  readonly url: string
  /** From `Content-Length`; null = not told. */
  readonly length: number | null
  readonly clock: Clock
  readonly idleMs: number
  /** Breaks the exchange below; its reason, when somebody else aborts it, is what the reader gets. */
  readonly exchange: AbortController
  onBytes(count: number): void
  /** Called once, when the body has ended, failed or been cancelled. */
  onEnd(): void
}

export function watchBody(raw: ReadableStream<Uint8Array>, watch: BodyWatch): ReadableStream<Uint8Array> {
  const { clock, exchange, length } = watch
  const reader = raw.getReader()
  const settled = new AbortController()
  let seen = 0
  let waitingSince: number | null = null

  function settle() {
    if (settled.signal.aborted) return
    settled.abort()
    watch.onEnd()
  }

  async function pull(controller: ReadableStreamDefaultController<Uint8Array>) {
    waitingSince = clock.now()
    try {
      const { done, value } = await reader.read()
      waitingSince = null
      if (done) return finish(controller)
      seen += value.byteLength
      if (length !== null && seen > length) throw new Error('more bytes than declared')
      watch.onBytes(value.byteLength)
      controller.enqueue(value)
    } catch {
      fail(controller, broken(watch, seen))
    }
  }

  function finish(controller: ReadableStreamDefaultController<Uint8Array>) {
    if (length !== null && seen < length) return fail(controller, broken(watch, seen))
    settle()
    controller.close()
  }

  /** The first reason wins: a body that was aborted for one is not `broken` as well. */
  function fail(controller: ReadableStreamDefaultController<Uint8Array>, problem: Problem) {
    if (settled.signal.aborted) return
    settle()
    controller.error(problem)
    exchange.abort(problem)
    reader.cancel(problem).catch(() => {})
  }

  /** One coarse timer for the whole body instead of one for each chunk. */
  async function watchIdle() {
    const tick = Math.max(watch.idleMs / 4, 5)
    while (!settled.signal.aborted) {
      await clock.sleep(tick, settled.signal)
      if (waitingSince === null || settled.signal.aborted) continue
      if (clock.now() - waitingSince >= watch.idleMs) exchange.abort(stalled(watch, seen))
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        exchange.signal.addEventListener('abort', () => {
          const { reason } = exchange.signal
          fail(controller, reason instanceof Problem ? reason : broken(watch, seen))
        })
        void watchIdle()
      },
      pull,
      async cancel(reason) {
        if (settled.signal.aborted) return
        settle()
        if (length !== null && length - seen <= SMALL_REST_BYTES)
          return await discard(reader, clock, exchange)
        exchange.abort(reason)
        await reader.cancel(reason).catch(() => {})
      },
    },
    { highWaterMark: 0 },
  )
}

/** What is cheaper to read on than to open a new connection for. */
export const SMALL_REST_BYTES = 16 * 1024

/** What is used of a reader; each runtime has a type of its own for the whole. */
interface BodyReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array }>
  cancel(reason?: unknown): Promise<void>
}

/** Reads a body nobody wants to its end, so that its connection can be used again; gives up soon if it is long. */
export async function discard(reader: BodyReader, clock: Clock, exchange: AbortController): Promise<void> {
  const disarm = armDeadline(clock, 1_000, () => exchange.abort(new Error('not wanted')))
  let seen = 0
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      seen += part.value?.byteLength ?? 0
      if (seen > SMALL_REST_BYTES) return exchange.abort(new Error('not wanted'))
    }
  } catch {
    // Nobody wanted it.
  } finally {
    disarm()
    if (exchange.signal.aborted) reader.cancel().catch(() => {})
  }
}

/** The declared length of the body as sent, or null. */
export function declaredLength(headers: Headers): number | null {
  const text = headers.get('content-length')
  if (text === null || headers.has('transfer-encoding')) return null
  // A repeated header arrives joined (RFC 9110 §8.6 allows equal ones).
  const [first = '', ...others] = text.split(',').map(part => part.trim())
  return /^\d{1,15}$/.test(first) && others.every(other => other === first) ? Number(first) : null
}

function broken(watch: BodyWatch, seen: number): Problem {
  const of = watch.length === null ? '' : ` of ${watch.length}`
  return new Problem(
    'upstream-broken',
    `Cannot fetch ${watch.url}: the body broke off after ${seen}${of} bytes`,
  )
}

function stalled(watch: BodyWatch, seen: number): Problem {
  return new Problem(
    'upstream-timeout',
    `Cannot fetch ${watch.url}: nothing came for ${watch.idleMs} ms after ${seen} bytes of the body`,
  )
}
