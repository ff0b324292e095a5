// What may be forgotten, and what only one may do at a time: Redis when REDIS_URL is set. Without it, or while it is
// away, values are this process's own, and leases are the database's where others use the same one, else this process's.

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
import type { Broadcast } from '../../src/ports/broadcast.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { KeyValue } from '../../src/ports/key-value.ts'
import type { Lease } from '../../src/ports/lease.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Meter } from '../../src/ports/meter.ts'
import type { Part } from '../../src/services.ts'
import type { Environment } from './environment.ts'
import { createRedisConnection } from './redis-connection.ts'

export interface OpenedValues {
  readonly keyValue: KeyValue
  readonly lease: Lease
  /** Messages to all who use the same Redis; null where there are none. */
  readonly broadcast: Broadcast | null
  readonly parts: readonly Part[]
  close(): Promise<void>
}

export interface ValueSenses {
  readonly clock: Clock
  readonly log: Log
  readonly meter: Meter
  /** Null where this process is the only one. */
  readonly databaseLease: Lease | null
}

const OWN = 'memory of this process'

export function openValues(environment: Environment, senses: ValueSenses): OpenedValues {
  const { redis, postgres } = environment.backends
  // Installations that share a Redis differ in their schema.
  return redis === null ? openOwn(senses) : openRedis(redis, postgres?.schema ?? 'artifactapi', senses)
}

function openOwn({ clock, databaseLease }: ValueSenses): OpenedValues {
  const answersAlways = async () => {}
  return {
    keyValue: createMemoryKeyValue(clock),
    lease: databaseLease ?? createMemoryLease(clock),
    broadcast: null,
    parts: [
      { name: 'values', product: OWN, isNeeded: false, check: answersAlways },
      {
        name: 'leases',
        product: databaseLease === null ? OWN : 'the catalog',
        isNeeded: false,
        check: answersAlways,
      },
    ],
    close: answersAlways,
  }
}

function openRedis(options: RedisOptions, namespace: string, senses: ValueSenses): OpenedValues {
  const { clock, log, meter, databaseLease } = senses
  const prefix = toPrefix(namespace)
  const connection = isUpstash(options)
    ? createUpstashConnection(options, clock)
    : createRedisConnection(options)
  const { name, commands } = connection
  const leaseStandIn = databaseLease === null ? OWN : 'the catalog'
  const health = createFallbackHealth({
    name,
    standIn: `values: ${OWN}; leases: ${leaseStandIn}`,
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
    partOf('values', name, OWN, health, () => commands.get(`${prefix}probe`)),
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
