// The Worker's rows in Postgres, called by tests: POST /one/<method> with the arguments as JSON, in a scope of its own as
// with the Worker itself; /many asks several times in one scope, at once; /object/<method> asks in a Durable Object.
// JavaScript, because its types would be those of Workers and not those of the tests.

import { DurableObject, waitUntil } from 'cloudflare:workers'
import { LeaseObject } from '../runtimes/workers/durable-lease.ts'
import { openObjectDatabase, openRequestDatabase } from '../runtimes/workers/worker-database.ts'
import { readWorkerEnvironment } from '../runtimes/workers/worker-environment.ts'
import { createSystemClock } from '../src/drivers/system-clock.ts'
import { sayProblem } from '../src/model/frames.ts'

export { LeaseObject }

const clock = createSystemClock()
const logged = []
const note = msg => void logged.push(msg)
const log = { debug: note, info: note, warn: note, error: note }
let rows = null

/** Under the name that is bound. */
export class FlightObject extends DurableObject {
  #database = null

  ask(method, args) {
    const senses = { clock, log, waitUntil: work => this.ctx.waitUntil(work) }
    this.#database ??= openObjectDatabase(this.env, readWorkerEnvironment(this.env), senses)
    return this.#database[method](...args)
  }
}

// biome-ignore lint/style/noDefaultExport: the runtime looks for it
export default {
  async fetch(request, env) {
    const [, place, method] = new URL(request.url).pathname.split('/')
    const args = await request.json()
    try {
      if (place === 'logged') return Response.json({ result: logged.splice(0) })
      // Made by the first request and used by all later ones, as the service does it.
      const senses = { clock, log, waitUntil }
      rows ??= openRequestDatabase(env, readWorkerEnvironment(env), senses)
      const { database, within } = rows
      const calls = {
        one: () => within(() => database[method](...args)),
        // Outside of every scope, as work that nobody waits for.
        stray: () => database[method](...args),
        many: () => within(() => Promise.all(args.map(([name, ...call]) => database[name](...call)))),
        pages: () => within(() => pagesOf(database, args[0])),
        object: () => env.FLIGHTS.get(env.FLIGHTS.idFromName('rows')).ask(method, args),
      }
      return Response.json({ result: (await calls[place]()) ?? null })
    } catch (error) {
      return Response.json({ problem: sayProblem(error) })
    }
  },
}

/** A callback cannot cross: what it would be called with, all at once. */
async function pagesOf(database, statements) {
  const pages = []
  await database.snapshot(statements, async (taken, index) => void pages.push([taken, index]))
  return pages
}
