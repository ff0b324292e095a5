// The Durable Object in which one thing is fetched: the engine's own flights, in memory, for all Workers that ask.
// It stays awake until its flight is kept, whoever of those who asked is still there.

import { DurableObject } from 'cloudflare:workers'
import { type App, createApp } from '../../src/app.ts'
import { createMemoryFlights } from '../../src/drivers/memory-flights.ts'
import { Problem } from '../../src/model/problem.ts'
import type { FlightJob, FlightView, Landing } from '../../src/ports/flights.ts'
import type { Bindings } from './bindings.ts'
import { type BodyRequest, type LandedFlight, parseBodyUrl, say } from './flight-wire.ts'
import { openObjectDatabase } from './worker-database.ts'
import { clock, openGround, servicesOf } from './worker-services.ts'

/** How long a flight can still be asked for after its end. */
const AFTERMATH_MS = 60_000

export class FlightObject extends DurableObject<Bindings> {
  readonly #views = new Map<number, FlightView>()
  #lastId = 0
  #opening: Promise<App> | null = null

  override async fetch(request: Request): Promise<Response> {
    const asked = parseBodyUrl(request.url)
    if (asked !== null) return this.#body(asked)
    const { pathname } = new URL(request.url)
    if (pathname === '/done') return this.#done(await request.json<number>())
    return this.#join(await request.json<FlightJob>(), pathname === '/find')
  }

  #join(job: FlightJob, isFind: boolean): Promise<Response> {
    return say(async () => {
      const { flights } = (await this.#app()).repositories
      const view = isFind ? await flights.find(job) : await flights.join(job)
      return view === null ? null : this.#land(view)
    })
  }

  #done(id: number): Promise<Response> {
    return say(async () => {
      const view = this.#views.get(id)
      if (view !== undefined) return view.done
      throw new Problem('upstream-broken', 'Cannot tell how a flight ended: its Durable Object was restarted')
    })
  }

  async #body(asked: BodyRequest): Promise<Response> {
    const view = this.#views.get(asked.id)
    const body = view?.body(asked.start, asked.end ?? undefined) ?? null
    if (view === undefined || body === null) return new Response(null, { status: 410 })
    const size = sizeOf(await wholeIfUnmeasured(view), asked)
    if (size === null) return new Response(body)
    const fixed = new FixedLengthStream(size)
    // A failure of either side reaches the other through the pipe; there is nobody else to tell.
    body.pipeTo(fixed.writable).catch(() => {})
    return new Response(fixed.readable)
  }

  async #land(view: FlightView): Promise<LandedFlight> {
    const id = ++this.#lastId
    this.#views.set(id, view)
    this.ctx.waitUntil(this.#untilForgotten(id, view))
    const landing = await wholeIfUnmeasured(view)
    const { isLeader, isOpen, arrived, rate } = view
    return { id, isLeader, isOpen, arrived, rate, landing }
  }

  async #untilForgotten(id: number, view: FlightView): Promise<void> {
    await view.done.catch(() => {})
    setTimeout(() => this.#views.delete(id), AFTERMATH_MS)
  }

  #app(): Promise<App> {
    this.#opening ??= this.#open().catch(error => {
      this.#opening = null
      throw error
    })
    return this.#opening
  }

  async #open(): Promise<App> {
    const ground = await openGround(this.env)
    const waitUntil = (work: Promise<unknown>) => this.ctx.waitUntil(work)
    const { environment, log } = ground
    const database = openObjectDatabase(this.env, environment, { clock, log, waitUntil })
    return createApp(servicesOf(ground, { database, waitUntil, flights: createMemoryFlights }))
  }
}

/**
 * workerd ends a body without a length cleanly even when it fails (1.20260730), so a client could not tell: such a
 * body is answered when it is whole and its size is known.
 */
async function wholeIfUnmeasured(view: FlightView): Promise<Landing> {
  const landing = await view.landing
  if (landing.kind !== 'body' || landing.head.size !== null || !landing.isKept) return landing
  const row = await view.done
  return row === null ? landing : { ...landing, head: { ...landing.head, size: row.size } }
}

function sizeOf(landing: Landing, { start, end }: BodyRequest): number | null {
  const last = end ?? (landing.kind === 'body' && landing.head.size !== null ? landing.head.size - 1 : null)
  return last === null ? null : last - start + 1
}
