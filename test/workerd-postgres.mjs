// The Worker's rows in Postgres, called by tests: POST /<method> with the arguments as JSON. Each request has a scope of
// its own, as with the Worker itself; /within/<method> asks several times in one scope, at once.
// JavaScript, because its types would be those of Workers and not those of the tests.

import { waitUntil } from 'cloudflare:workers'
import { FlightObject, LeaseObject } from '../runtimes/workers/main.ts'
import { openObjectDatabase, openRequestDatabase } from '../runtimes/workers/worker-database.ts'
import { readWorkerEnvironment } from '../runtimes/workers/worker-environment.ts'
import { createSystemClock } from '../src/drivers/system-clock.ts'
import { sayProblem } from '../src/model/frames.ts'

export { FlightObject, LeaseObject }

const clock = createSystemClock()
const logged = []
const note = msg => void logged.push(msg)
const log = { debug: note, info: note, warn: note, error: note }
let rows = null

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
        many: () => within(() => Promise.all(args.map(call => database[method](...call)))),
        pages: () => within(() => pagesOf(database, args[0])),
        object: () => openObjectDatabase(env, readWorkerEnvironment(env), senses)[method](...args),
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
