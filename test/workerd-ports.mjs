// A Worker that lets tests call its drivers: POST /<port>/<method> with the arguments as JSON.
// JavaScript, because its types would be those of Workers and not those of the tests.

import { createD1Database } from '../runtimes/workers/d1-database.ts'
import { createDurableLease, LeaseObject } from '../runtimes/workers/durable-lease.ts'
import { createWorkersKeyValue } from '../runtimes/workers/workers-key-value.ts'
import { createSystemClock } from '../src/drivers/system-clock.ts'

export { LeaseObject }

let passedMs = 0
const system = createSystemClock()
const clock = { ...system, now: () => system.now() + passedMs }
const warnings = []
const log = { warn: (msg, { error }) => warnings.push(`${msg}: ${error.message}`) }
const held = new Map()
let ports = null

// biome-ignore lint/style/noDefaultExport: the runtime looks for it
export default {
  async fetch(request, env) {
    const [, port, method] = new URL(request.url).pathname.split('/')
    const args = await request.json()
    try {
      // Made by the first request and used by all later ones, as the service does it.
      ports ??= createPorts(env)
      return Response.json({ result: (await ports[port][method](...args)) ?? null })
    } catch (error) {
      return Response.json({ problem: { code: error.code, message: error.message, detail: error.detail } })
    }
  },
}

function createPorts(env) {
  const lease = createDurableLease(env.LEASES)
  return {
    database: withPages(createD1Database(env.DB)),
    keyValue: createWorkersKeyValue({ namespace: env.VALUES, cache: caches.default, clock, log }),
    // KV alone, as in another location, where the cache of this one is not.
    farKeyValue: createWorkersKeyValue({ namespace: env.VALUES, cache: emptyCache, clock, log }),
    // The cache alone, where no KV is bound.
    nearKeyValue: createWorkersKeyValue({ namespace: null, cache: caches.default, clock, log }),
    brokenKeyValue: createWorkersKeyValue({ namespace: brokenNamespace, cache: emptyCache, clock, log }),
    log: { warnings: () => warnings },
    clock: { pass: seconds => void (passedMs += seconds * 1000) },
    lease: {
      async acquire(name, ttlSeconds, note) {
        // An argument that is left out arrives as null.
        const taken = await lease.acquire(name, ttlSeconds, note ?? undefined)
        if (taken !== null) held.set(taken.token + name, taken)
        return taken?.token
      },
      holder: lease.holder,
      renew: (name, token, ttlSeconds) => held.get(token + name).renew(ttlSeconds),
      release: (name, token) => held.get(token + name).release(),
    },
  }
}

/** A callback cannot cross: what it would be called with, all at once. */
function withPages(database) {
  return {
    ...database,
    async pages(statements) {
      const pages = []
      await database.snapshot(statements, async (rows, index) => void pages.push([rows, index]))
      return pages
    },
  }
}

const emptyCache = { match: async () => undefined, put: async () => {}, delete: async () => false }

async function refuse() {
  throw new Error('KV PUT failed: 429 Too Many Requests')
}
const brokenNamespace = { get: refuse, put: refuse, delete: refuse }
