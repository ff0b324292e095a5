// Values, leases and messages in Redis, or in Upstash. While it is away, values are this process's own, and leases are
// the database's where others use the same one, else this process's.

import { createFallbackHealth, type Health } from '../../src/drivers/fallback-health.ts'
import { withFallbackKeyValue } from '../../src/drivers/fallback-key-value.ts'
import { withFallbackLease } from '../../src/drivers/fallback-lease.ts'
import { createMemoryKeyValue } from '../../src/drivers/memory-key-value.ts'
import { createMemoryLease } from '../../src/drivers/memory-lease.ts'
import { createRedisBroadcast } from '../../src/drivers/redis-broadcast.ts'
import { type RedisConnection, type RedisOptions, toPrefix } from '../../src/drivers/redis-commands.ts'
import { createRedisKeyValue } from '../../src/drivers/redis-key-value.ts'
import { createRedisLease } from '../../src/drivers/redis-lease.ts'
import { createUpstashConnection } from '../../src/drivers/upstash-connection.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Part } from '../../src/services.ts'
import { type OpenedValues, OWN_MEMORY, type ValueSenses } from './opened-stores.ts'
import { createRedisConnection } from './redis-connection.ts'

/** Installations that share a Redis have a namespace each. */
export function openRedis(options: RedisOptions, namespace: string, senses: ValueSenses): OpenedValues {
  const { clock, log, meter, databaseLease } = senses
  const prefix = toPrefix(namespace)
  const connection = isUpstash(options)
    ? createUpstashConnection(options, clock)
    : createRedisConnection(options)
  const { name, commands } = connection
  const leaseStandIn = databaseLease === null ? OWN_MEMORY : 'the catalog'
  const health = createFallbackHealth({
    name,
    standIn: `values: ${OWN_MEMORY}; leases: ${leaseStandIn}`,
    // Written, for a Redis that is full or a replica answers whoever only reads.
    probe: () => commands.set(`${prefix}probe`, '1', 1_000),
    link: connection.watch,
    clock,
    log,
  })
  const elapsedMs = () => performance.now()
  const redisLease = createRedisLease({ commands, prefix, elapsedMs })
  health.watch({ back: () => void redisLease.settle().catch(() => {}) }) // then with the next return
  const lease = withFallbackLease({
    far: redisLease,
    near: databaseLease ?? createMemoryLease(clock),
    isNearShared: databaseLease !== null,
    toToken: toMicroseconds,
    health,
    clock,
    elapsedMs,
  })
  const broadcast = canHear(connection) ? createRedisBroadcast(connection, prefix, clock) : null
  if (broadcast === null) log.info(`${name} carries no messages between processes`)
  const parts = [
    partOf('values', name, OWN_MEMORY, health, () => commands.get(`${prefix}probe`)),
    partOf('leases', name, leaseStandIn, health, async () => {}),
  ]
  for (const part of parts) {
    meter.gauge('artifactapi_part_up', () => (health.fault() === null ? 1 : 0), { part: part.name })
  }
  return {
    keyValue: withFallbackKeyValue(
      createRedisKeyValue(commands, prefix),
      () => createMemoryKeyValue(clock),
      health,
    ),
    lease,
    broadcast,
    parts,
    async close() {
      lease.close()
      health.close()
      await broadcast?.close()
      await connection.close()
    },
  }
}

function partOf(
  name: string,
  product: string,
  standIn: string,
  health: Health,
  ask: () => Promise<unknown>,
): Part {
  return {
    name,
    product,
    isNeeded: false,
    async check() {
      await health.attempt(ask).catch(error => {
        const reason = health.fault() ?? (error instanceof Error ? error.message : String(error))
        throw new Problem('values-broken', `Cannot reach ${product}: ${reason}; meanwhile ${standIn}`)
      })
    },
  }
}

function isUpstash({ url }: RedisOptions): boolean {
  return /^https?:/i.test(url)
}

function canHear(connection: RedisConnection): connection is Required<RedisConnection> {
  return connection.watch !== undefined && connection.hear !== undefined
}

/** The tokens of the other leases begin with the time in milliseconds, those of Redis in microseconds. */
function toMicroseconds(token: number): number {
  return token * 1000
}
