// artifactapi on Cloudflare Workers: one application for all requests of an isolate, opened by the first of them.
// Nothing that belongs to one request (streams, stubs, connections) is kept in it; flights are in Durable Objects.

import { waitUntil } from 'cloudflare:workers'
import { type App, createApp } from '../../src/app.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Bindings } from './bindings.ts'
import { maintain } from './cron.ts'
import { createDurableFlights } from './durable-flights.ts'
import { LeaseObject } from './durable-lease.ts'
import { FlightObject } from './flight-object.ts'
import { openRequestDatabase, type WorkerDatabase } from './worker-database.ts'
import { clock, openGround, servicesOf } from './worker-services.ts'

export { FlightObject, LeaseObject }

/** How often an isolate that is asked reads its configuration again and writes down what was used. */
const ROUND_MS = 60_000

interface Running {
  readonly app: App
  readonly within: WorkerDatabase['within']
}

let running: Running | null = null
let roundAt = 0

export default {
  async fetch(request, env, context) {
    try {
      const { app, within } = running ?? (await opened(env, context))
      return await within(async () => {
        context.waitUntil(lookAround(app))
        return asEncoded(await app.fetch(request, { address: request.headers.get('cf-connecting-ip') }))
      })
    } catch (error) {
      return refuse(error)
    }
  },
  async scheduled(_event, env) {
    const known = running
    if (known !== null) await known.within(() => flush(known.app))
    await maintain(env, waitUntil)
  },
} satisfies ExportedHandler<Bindings>

/** Kept alive beyond a client that leaves: others may be waiting for what it began. */
async function opened(env: Bindings, context: ExecutionContext): Promise<Running> {
  const opening = open(env)
  context.waitUntil(opening.catch(() => {}))
  running = await opening
  return running
}

async function open(env: Bindings): Promise<Running> {
  const ground = await openGround(env)
  const { environment, log } = ground
  for (const warning of environment.warnings) log.warn(warning)
  const { database, within } = openRequestDatabase(env, environment, { clock, log, waitUntil })
  const flights = () => createDurableFlights(env.FLIGHTS)
  const app = createApp(servicesOf(ground, { database, waitUntil, flights }))
  await within(() => app.start())
  roundAt = clock.now() + ROUND_MS
  return { app, within }
}

async function lookAround(app: App): Promise<void> {
  const { services, directory } = app.repositories
  const reading = directory.ready()
  const now = services.clock.now()
  if (now >= roundAt) {
    roundAt = now + ROUND_MS
    await services.settings.reload()
    await flush(app)
  }
  await reading
}

/** Writes down what this isolate has seen used. */
async function flush({ repositories: { catalog, services } }: App): Promise<void> {
  try {
    await catalog.flushTouches()
  } catch (error) {
    services.log.warn('Cannot write down when objects were used', { error })
  }
}

/** A body that is encoded already would be encoded again. */
function asEncoded(response: Response): Response {
  if (!response.headers.has('content-encoding')) return response
  return new Response(response.body, {
    status: response.status,
    headers: response.headers,
    encodeBody: 'manual',
  })
}

/** What is wrong with the configuration is for its owner to see, in the log. */
function refuse(error: unknown): Response {
  const isSettings = error instanceof Problem && error.code === 'settings-invalid'
  const what = isSettings ? 'the configuration does not validate' : 'it cannot start'
  const reason = error instanceof Error ? error.message : String(error)
  console.error(JSON.stringify({ level: 'error', msg: `Cannot serve: ${reason}` }))
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'retry-after': '60' }
  return new Response(`Cannot serve: ${what}, see the log\n`, { status: 503, headers })
}
