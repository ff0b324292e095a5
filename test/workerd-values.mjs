// The Worker with a way in for tests of its values: POST /values/<method> with the arguments as JSON. Everything else is the
// Worker's own.
// JavaScript, because its types would be those of Workers and not those of the tests.

import worker, { FlightObject, LeaseObject } from '../runtimes/workers/main.ts'
import { readWorkerEnvironment } from '../runtimes/workers/worker-environment.ts'
import { openWorkerValues } from '../runtimes/workers/worker-values.ts'
import { createSystemClock } from '../src/drivers/system-clock.ts'

export { FlightObject, LeaseObject }

const clock = createSystemClock()
const log = { warn() {} }
let values = null

// biome-ignore lint/style/noDefaultExport: the runtime looks for it
export default {
  ...worker,
  async fetch(request, env, context) {
    const [, place, method] = new URL(request.url).pathname.split('/')
    if (place !== 'values') return worker.fetch(request, env, context)
    // Made by the first request and used by all later ones, as the service does it.
    values ??= openWorkerValues(env, readWorkerEnvironment(env), { clock, log })
    const result = await values.keyValue[method](...(await request.json()))
    return Response.json({ result: result ?? null })
  },
}
