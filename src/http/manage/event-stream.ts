// Live events as server-sent events. A watcher that reads slower than things happen loses the oldest of what waits
// for it, is told how many, and costs nobody else anything. What another process could not send counts as lost too.

import type { EventHub, LiveEvent } from '../../manage/events.ts'
import type { Clock } from '../../ports/clock.ts'

const WAITING_LIMIT = 1000
/** Keeps what lies between from closing a quiet connection. */
const HEARTBEAT_MS = 15_000

/** With `lastId`, begins with what a watcher who saw that event last has missed, as far as it is kept. */
export function eventStream(hub: EventHub, clock: Clock, lastId: number | null): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const waiting: LiveEvent[] = lastId === null ? [] : [...hub.since(lastId)]
  const ended = new AbortController()
  const end = () => {
    stop()
    hub.closed.removeEventListener('abort', end)
    ended.abort()
  }
  hub.closed.addEventListener('abort', end)
  let lost = 0
  let wake = () => {}

  const stop = hub.subscribe(
    event => {
      waiting.push(event)
      if (waiting.length > WAITING_LIMIT) {
        waiting.shift()
        lost++
      }
      wake()
    },
    events => {
      lost += events ?? Number.NaN
      wake()
    },
  )

  function takeText(): string {
    // Null when nobody knows how many: what is not a number is null in JSON.
    const notice = lost === 0 ? '' : `event: lost\ndata: ${JSON.stringify({ events: lost })}\n\n`
    lost = 0
    return notice + waiting.splice(0).map(printEvent).join('')
  }

  async function quiet(): Promise<void> {
    const slept = new AbortController()
    const something = new Promise<void>(resolve => {
      wake = resolve
    })
    ended.signal.addEventListener('abort', () => slept.abort(), { signal: slept.signal })
    await Promise.race([something, clock.sleep(HEARTBEAT_MS, slept.signal)])
    slept.abort()
  }

  return new ReadableStream({
    start(controller) {
      controller.enqueue(encoder.encode('retry: 2000\n\n'))
      if (hub.closed.aborted) end()
    },
    async pull(controller) {
      if (waiting.length === 0 && lost === 0 && !ended.signal.aborted) await quiet()
      if (ended.signal.aborted) return controller.close()
      const text = takeText()
      controller.enqueue(encoder.encode(text === '' ? ': quiet\n\n' : text))
    },
    cancel: end,
  })
}

function printEvent({ id, kind, ...rest }: LiveEvent): string {
  return `id: ${id}\nevent: ${kind}\ndata: ${JSON.stringify({ ...rest, at: new Date(rest.at).toISOString() })}\n\n`
}
