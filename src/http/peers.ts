// The door for the other processes that share the stores, on an address of its own: what flies here, they may follow.

import { frameHead, jsonFrame, sayProblem } from '../model/frames.ts'
import { Problem, toProblem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { FlightJob, Flights, FlightView } from '../ports/flights.ts'
import { isSame } from './auth.ts'
import { problemText } from './problems.ts'

const PULSE_MS = 1_000
/** A body comes in pieces of this size at most, so that a frame is never large. */
const PIECE_BYTES = 1024 * 1024

export interface PeerDoor {
  answer(request: Request): Promise<Response>
}

export interface PeerDoorParts {
  readonly flights: Flights
  readonly secret: () => Promise<string>
  readonly clock: Clock
  readonly figures: () => Promise<string>
}

interface Asked {
  readonly job: FlightJob
  readonly start: number
}

export function createPeerDoor({ flights, secret, clock, figures }: PeerDoorParts): PeerDoor {
  async function follow(request: Request): Promise<Response> {
    const { job, start } = (await request.json()) as Asked // whoever knows the secret is a version of ourselves
    const view = await flights.find(job)
    if (view === null) return new Response(null, { status: flights.isFlying(job) ? 410 : 404 })
    return new Response(framesOf(view, start, clock), {
      headers: { 'content-type': 'application/octet-stream' },
    })
  }

  return {
    async answer(request) {
      try {
        const given = /^bearer (\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? ''
        if (!isSame(given, await secret()))
          throw new Problem('unauthorized', 'This is for the other processes of the same stores')
        const asked = `${request.method} ${new URL(request.url).pathname}`
        if (asked === 'POST /flights') return await follow(request)
        if (asked === 'GET /metrics') return new Response(await figures())
        throw new Problem('not-found', 'There is nothing here')
      } catch (error) {
        return problemText(toProblem(error, 'internal', 'Cannot answer another process'), false, null)
      }
    },
  }
}

/** What a flight brings, as frames, with a pulse whenever there is nothing to say for a second. */
function framesOf(view: FlightView, start: number, clock: Clock): ReadableStream<Uint8Array> {
  const left = new AbortController()
  const frames = listFrames(view, start, left.signal)
  let next: Promise<IteratorResult<Uint8Array>> | null = null
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        next ??= frames.next()
        const waited = new AbortController()
        const pulse = clock.sleep(PULSE_MS, waited.signal).then(() => 'pulse' as const)
        const result = await Promise.race([next, pulse])
        waited.abort()
        if (result === 'pulse') return controller.enqueue(frameHead('pulse', 0))
        next = null
        if (result.done) controller.close()
        else controller.enqueue(result.value)
      },
      cancel() {
        left.abort()
        // Not waited for: it may be waiting for bytes that nobody wants any more.
        void frames.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
}

async function* listFrames(
  view: FlightView,
  start: number,
  left: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  try {
    const landing = await view.landing
    yield jsonFrame('landing', landing)
    const body = landing.kind === 'body' ? view.body(start) : null
    if (landing.kind === 'body' && body === null)
      throw new Problem('peer-lost', `Cannot go on at byte ${start}: it is no longer to be had`)
    if (body !== null) yield* bodyFrames(body, left)
    yield jsonFrame('done', await view.done)
  } catch (error) {
    yield jsonFrame('failure', sayProblem(error))
  }
}

async function* bodyFrames(
  body: ReadableStream<Uint8Array>,
  left: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const reader = body.getReader()
  const leave = () => void reader.cancel().catch(() => {})
  left.addEventListener('abort', leave)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      for (let at = 0; at < value.byteLength; at += PIECE_BYTES) {
        const piece = value.subarray(at, at + PIECE_BYTES)
        yield frameHead('body', piece.byteLength)
        yield piece
      }
    }
  } finally {
    left.removeEventListener('abort', leave)
    leave()
  }
}
