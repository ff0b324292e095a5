// Cloudflare ends an invocation that calls its stores too often. Calls are counted, and who works through a long list is
// told to stop while there is still enough for putting things in order; the next invocation goes on.

import type { Database } from '../../src/ports/database.ts'
import type { Lease } from '../../src/ports/lease.ts'
import type { R2BucketLike } from './r2-bucket.ts'

/** Kept for what comes after a stop. */
const RESERVE = 15

export interface CallBudget {
  readonly spent: number
  /** Aborts when this share of what is left now has been spent. */
  allowance(share: number): AbortSignal
  database(database: Database): Database
  bucket(bucket: R2BucketLike): R2BucketLike
  lease(lease: Lease): Lease
}

export function createCallBudget(calls: number): CallBudget {
  const allowances = new Set<{ readonly until: number; readonly stop: AbortController }>()
  let spent = 0

  function spend(count: number): void {
    spent += count
    for (const allowance of allowances) {
      if (spent < allowance.until) continue
      allowances.delete(allowance)
      allowance.stop.abort()
    }
  }

  return {
    get spent() {
      return spent
    },
    allowance(share) {
      const stop = new AbortController()
      allowances.add({ until: spent + Math.floor((calls - RESERVE - spent) * share), stop })
      spend(0)
      return stop.signal
    },
    database: database => ({
      ...database,
      query(...call) {
        spend(1)
        return database.query(...call)
      },
      batch(...call) {
        // D1 counts each statement.
        spend(call[0].length)
        return database.batch(...call)
      },
    }),
    bucket: bucket => ({
      head: key => counted(() => bucket.head(key)),
      get: (key, options) => counted(() => bucket.get(key, options)),
      put: (key, value, options) => counted(() => bucket.put(key, value, options)),
      createMultipartUpload: key => counted(() => bucket.createMultipartUpload(key)),
      delete: keys => counted(() => bucket.delete(keys)),
      list: options => counted(() => bucket.list(options)),
    }),
    lease: lease => ({
      acquire: (...call) => counted(() => lease.acquire(...call)),
      holder: name => counted(() => lease.holder(name)),
    }),
  }

  function counted<Result>(call: () => Result): Result {
    spend(1)
    return call()
  }
}
