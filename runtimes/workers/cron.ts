// What a cron trigger does: limits are kept, what nothing refers to goes, staged bytes without an owner are swept. An
// application of its own does it, whose calls are counted; what is too much for one run is done by the next.

import { createApp } from '../../src/app.ts'
import { nodeHasher } from '../shared/node-hasher.ts'
import type { Bindings } from './bindings.ts'
import { createCallBudget } from './call-budget.ts'
import { createDurableFlights } from './durable-flights.ts'
import { createR2Blobs } from './r2-blobs.ts'
import { openRequestDatabase } from './worker-database.ts'
import { clock, openGround, servicesOf } from './worker-services.ts'

export async function maintain(
  env: Bindings,
  waitUntil: (work: Promise<unknown>) => void,
): Promise<{ readonly calls: number }> {
  const ground = await openGround(env)
  const { environment, log } = ground
  const budget = createCallBudget(environment.maintenanceCalls)
  const rows = openRequestDatabase(env, environment, { clock, log, waitUntil })
  const services = servicesOf(ground, {
    database: budget.database(rows.database),
    waitUntil,
    flights: () => createDurableFlights(env.FLIGHTS),
  })
  const blobs = createR2Blobs(budget.bucket(env.BLOBS), { hasher: nodeHasher, clock })
  const app = createApp({ ...services, blobs, lease: budget.lease(services.lease) })
  await rows.within(async () => {
    await app.start()
    // Evicting makes work for the collector: each has its share, so that neither starves.
    await app.maintainOnce(job => budget.allowance(job === 'evict' ? 0.5 : 1))
  })
  log.debug('Maintenance', { calls: budget.spent, limit: environment.maintenanceCalls })
  return { calls: budget.spent }
}
