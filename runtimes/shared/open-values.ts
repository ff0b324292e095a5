// What may be forgotten, and what only one may do at a time: Redis when REDIS_URL is set. Without it, or while it is
// away, values are this process's own, and leases are the database's where others use the same one, else this process's.

import { createMemoryKeyValue } from '../../src/drivers/memory-key-value.ts'
import { createMemoryLease } from '../../src/drivers/memory-lease.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Broadcast } from '../../src/ports/broadcast.ts'
import type { Clock } from '../../src/ports/clock.ts'
import type { KeyValue } from '../../src/ports/key-value.ts'
import type { Lease } from '../../src/ports/lease.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Part } from '../../src/services.ts'
import type { Environment } from './environment.ts'

export interface OpenedValues {
  readonly keyValue: KeyValue
  readonly lease: Lease
  /** Messages to all who use the same Redis; null without one. */
  readonly broadcast: Broadcast | null
  readonly parts: readonly Part[]
  close(): Promise<void>
}

export interface ValueSenses {
  readonly clock: Clock
  readonly log: Log
  /** Null where this process is the only one. */
  readonly databaseLease: Lease | null
}

export function openValues(environment: Environment, { clock, databaseLease }: ValueSenses): OpenedValues {
  if (environment.backends.redis !== null) throw new Problem('not-built', 'Cannot use Redis: not built')
  const answersAlways = async () => {}
  const own = 'memory of this process'
  return {
    keyValue: createMemoryKeyValue(clock),
    lease: databaseLease ?? createMemoryLease(clock),
    broadcast: null,
    parts: [
      { name: 'values', product: own, isNeeded: false, check: answersAlways },
      {
        name: 'leases',
        product: databaseLease === null ? own : 'the catalog',
        isNeeded: false,
        check: answersAlways,
      },
    ],
    close: answersAlways,
  }
}
