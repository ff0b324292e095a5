import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe } from 'vitest'
import type { Lease } from '../../src/ports/lease.ts'
import { describeLease } from '../contracts/lease.ts'
import { startWorkerdPorts, type WorkerdPorts } from '../workerd.ts'

describe('Durable Object lease', () => {
  let worker: WorkerdPorts
  let opened = 0
  beforeAll(async () => {
    worker = await startWorkerdPorts()
  })
  afterAll(() => worker?.stop())

  describeLease('Durable Object', async () => {
    // One worker for all tests, so each has names of its own.
    const prefix = `${opened++}:`
    const lease: Lease = {
      async acquire(name, ttlSeconds, note) {
        const token = await worker.call<number | null>('lease', 'acquire', prefix + name, ttlSeconds, note)
        if (token === null) return null
        return {
          token,
          renew: moreSeconds => worker.call('lease', 'renew', prefix + name, token, moreSeconds),
          release: () => worker.call('lease', 'release', prefix + name, token),
        }
      },
      holder: name => worker.call('lease', 'holder', prefix + name),
    }
    // The time of workerd cannot be moved, so this waits.
    return { lease, pass: seconds => sleep(seconds * 1000) }
  })
})
