import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe } from 'vitest'
import { createRedisConnection } from '../../runtimes/shared/redis-connection.ts'
import { createRedisBroadcast } from '../../src/drivers/redis-broadcast.ts'
import type { RedisConnection } from '../../src/drivers/redis-commands.ts'
import { createRedisKeyValue } from '../../src/drivers/redis-key-value.ts'
import { createRedisLease } from '../../src/drivers/redis-lease.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import { describeBroadcast } from '../contracts/broadcast.ts'
import { describeKeyValue } from '../contracts/key-value.ts'
import { describeLease } from '../contracts/lease.ts'
import { hasRedis, type RedisService, startRedis } from '../services/redis.ts'

describe.skipIf(!hasRedis())('Redis', () => {
  let service: RedisService
  let opened = 0
  beforeAll(async () => {
    service = await startRedis()
  })
  afterAll(() => service?.stop())

  /** Each test has a prefix of its own. */
  const prefix = () => `test-${opened++}:`
  const pass = (seconds: number) => sleep(seconds * 1000)

  async function connect(): Promise<RedisConnection> {
    const connection = createRedisConnection({ url: service.url })
    for (let i = 0; i < 100; i++) {
      const isThere = await connection.commands.get('none').then(
        () => true,
        () => false,
      )
      if (isThere) break
      await sleep(20)
    }
    return connection
  }

  describeKeyValue('Redis', async () => {
    const connection = await connect()
    const keyValue = createRedisKeyValue(connection.commands, prefix())
    return { keyValue, pass, close: () => connection.close() }
  })

  describeLease('Redis', async () => {
    const connection = await connect()
    const lease = createRedisLease({
      commands: connection.commands,
      prefix: prefix(),
      elapsedMs: () => performance.now(),
    })
    return { lease, pass, close: () => connection.close() }
  })

  describeBroadcast('Redis', async () => {
    const [a, b] = [await connect(), await connect()]
    const clock = createSystemClock()
    const name = prefix()
    const open = (connection: RedisConnection) => {
      if (!('hear' in connection) || connection.hear === undefined) throw new Error('it cannot hear')
      return createRedisBroadcast(connection as Parameters<typeof createRedisBroadcast>[0], name, clock)
    }
    const [here, there] = [open(a), open(b)]
    return {
      here,
      there,
      async cut() {
        await service.kill9()
        return service.restart
      },
      async close() {
        await Promise.all([here.close(), there.close()])
        await Promise.all([a.close(), b.close()])
      },
    }
  })
})
