// What may be forgotten, and what only one may do at a time: Redis when REDIS_URL is set, and only then is its code loaded.
// Without it values are this process's own, and leases are the database's where others use the same one.

import { createMemoryKeyValue } from '../../src/drivers/memory-key-value.ts'
import { createMemoryLease } from '../../src/drivers/memory-lease.ts'
import type { Environment } from './environment.ts'
import { type OpenedValues, OWN_MEMORY, type ValueSenses } from './opened-stores.ts'

export async function openValues(environment: Environment, senses: ValueSenses): Promise<OpenedValues> {
  const { redis, postgres } = environment.backends
  if (redis === null) return openOwn(senses)
  const { openRedis } = await import('./open-redis.ts')
  // Installations that share a Redis differ in their schema.
  return openRedis(redis, postgres?.schema ?? 'artifactapi', senses)
}

function openOwn({ clock, databaseLease }: ValueSenses): OpenedValues {
  const answersAlways = async () => {}
  return {
    keyValue: createMemoryKeyValue(clock),
    lease: databaseLease ?? createMemoryLease(clock),
    broadcast: null,
    parts: [
      { name: 'values', product: OWN_MEMORY, isNeeded: false, check: answersAlways },
      {
        name: 'leases',
        product: databaseLease === null ? OWN_MEMORY : 'the catalog',
        isNeeded: false,
        check: answersAlways,
      },
    ],
    close: answersAlways,
  }
}
