// The Worker with a way in for tests of its cron: POST /maintain does what a trigger does, and tells how many calls of its
// stores it took. Everything else is the Worker's own.
// JavaScript, because its types would be those of Workers and not those of the tests.

import { waitUntil } from 'cloudflare:workers'
import { maintain } from '../runtimes/workers/cron.ts'
import worker, { FlightObject, LeaseObject } from '../runtimes/workers/main.ts'

export { FlightObject, LeaseObject }

// biome-ignore lint/style/noDefaultExport: the runtime looks for it
export default {
  ...worker,
  async fetch(request, env, context) {
    if (new URL(request.url).pathname !== '/maintain') return worker.fetch(request, env, context)
    return Response.json(await maintain(env, waitUntil))
  },
}
