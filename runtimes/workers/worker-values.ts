// What a Worker may forget: the Cache API, with Workers KV where it is bound, and Upstash in front of both where REDIS_URL
// is set.

import { toPrefix } from '../../src/drivers/redis-commands.ts'
import { createRedisKeyValue } from '../../src/drivers/redis-key-value.ts'
import { createUpstashConnection } from '../../src/drivers/upstash-connection.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { KeyValue } from '../../src/ports/key-value.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Part } from '../../src/services.ts'
import type { Bindings } from './bindings.ts'
import { newRest, withRestingKeyValue } from './resting-key-value.ts'
import type { WorkerEnvironment } from './worker-environment.ts'
import { createWorkersKeyValue } from './workers-key-value.ts'

export interface WorkerValues {
  readonly keyValue: KeyValue
  readonly part: Part
}

const rest = newRest()

export function openWorkerValues(
  env: Bindings,
  { redis, postgres }: WorkerEnvironment,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): WorkerValues {
  const namespace = env.VALUES ?? null
  const near = createWorkersKeyValue({ namespace, cache: caches.default, clock, log })
  const own = namespace === null ? 'the Cache API' : 'Workers KV VALUES and the Cache API'
  if (redis === null) {
    const check = async () => {
      await namespace?.get('remotes.yaml')
    }
    return { keyValue: near, part: { name: 'values', product: own, isNeeded: false, check } }
  }
  // Installations that share a Redis differ in their schema.
  const prefix = toPrefix(postgres?.options.schema ?? 'artifactapi')
  const openFar = () => createRedisKeyValue(createUpstashConnection(redis, clock).commands, prefix)
  const { name } = createUpstashConnection(redis, clock)
  const check = async () => {
    await openFar().get('ready')
  }
  return {
    keyValue: withRestingKeyValue({ name, openFar, near, rest, clock, log }),
    part: { name: 'values', product: `${name}; while it is away ${own}`, isNeeded: false, check },
  }
}
