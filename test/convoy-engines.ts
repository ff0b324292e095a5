// Several applications in this process that share their stores, as replicas do, and reach each other through links
// that the test can cut.

import { nodeHasher } from '../runtimes/shared/node-hasher.ts'
import { createSqliteDatabase } from '../runtimes/shared/sqlite-database.ts'
import { createHttpPeers } from '../src/drivers/http-peers.ts'
import { createMemoryBlobs } from '../src/drivers/memory-blobs.ts'
import { createMemoryKeyValue } from '../src/drivers/memory-key-value.ts'
import { createMemoryLease } from '../src/drivers/memory-lease.ts'
import { createServiceLink } from '../src/drivers/service-link.ts'
import type { Lease } from '../src/ports/lease.ts'
import type { Hop, RawResponse, Transport } from '../src/ports/transport.ts'
import type { Services } from '../src/services.ts'
import { createEngine, type Engine, type Entries, ORIGIN } from './engine.ts'
import { FakeClock } from './fake-clock.ts'
import { createScriptedOrigin, type ScriptedOrigin } from './scripted-origin.ts'

export interface Replica extends Engine {
  /** Nobody reaches it any more, and what it sends breaks off; it hears nothing of that. */
  cutOff(): void
  /** As `cutOff`, but what is under way falls silent instead. */
  silence(): void
  /** Gone: also its leases are no longer renewed, and it reaches no origin. */
  kill(): void
  /** It goes on as if nothing had happened; others still do not reach it. */
  revive(): void
}

export interface Convoy {
  readonly origin: ScriptedOrigin
  readonly clock: FakeClock
  readonly lease: Lease
  readonly replicas: readonly Replica[]
}

export async function createConvoyOf(
  count: number,
  given: { readonly settings?: Entries; readonly services?: Partial<Services> } = {},
): Promise<Convoy> {
  const clock = new FakeClock()
  const origin = createScriptedOrigin(ORIGIN)
  const lease = createMemoryLease(clock)
  const shared = {
    blobs: createMemoryBlobs({ hasher: nodeHasher, clock }),
    database: createSqliteDatabase({ path: ':memory:' }),
    keyValue: createMemoryKeyValue(clock),
    // Each remembers nothing: nobody tells them of changes here.
    recentRows: 0,
    ...given.services,
  }
  const links = new Map<string, Link>()
  const transport: Transport = {
    send: hop => links.get(new URL(hop.url).host)?.send(hop) ?? Promise.reject(new Error('unknown host')),
    close: async () => {},
  }
  const replicas: Replica[] = []
  for (let i = 1; i <= count; i++) {
    const self = `10.0.0.${i}:8001`
    let isDead = false
    const services: Partial<Services> = {
      ...shared,
      lease: mortal(lease, () => isDead),
      peers: secret =>
        createHttpPeers({
          link: createServiceLink({ transport, resolver: null, clock }),
          clock,
          self,
          secret,
          worker: null,
          siblings: () => [],
        }),
    }
    const engine = await createEngine({ clock, upstream: origin, settings: given.settings, services })
    const link = createLink(engine)
    links.set(self, link)
    replicas.push({
      ...engine,
      cutOff: () => link.cut(),
      silence: () => link.silence(),
      kill() {
        isDead = true
        link.cut()
      },
      revive() {
        isDead = false
      },
    })
  }
  return { origin, clock, lease, replicas }
}

interface Link {
  send(hop: Hop): Promise<RawResponse>
  cut(): void
  silence(): void
}

function createLink(engine: Engine): Link {
  let state: 'up' | 'cut' | 'silent' = 'up'
  const breaks = new Set<() => void>()

  async function send(hop: Hop): Promise<RawResponse> {
    if (state === 'cut') throw new Error('connection refused')
    if (state === 'silent')
      return new Promise((_, reject) => hop.signal.addEventListener('abort', () => reject(hop.signal.reason)))
    const { url, method, headers, body } = hop
    const answer = await engine.app.answerPeer(
      new Request(url, { method, headers, body: body as Uint8Array<ArrayBuffer> }),
    )
    return {
      status: answer.status,
      headers: answer.headers,
      body: answer.body === null ? null : wired(answer.body),
    }
  }

  function wired(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const reader = body.getReader()
    return new ReadableStream<Uint8Array>(
      {
        start(controller) {
          breaks.add(() => controller.error(new Error('connection reset')))
        },
        async pull(controller) {
          const { done, value } = await reader.read()
          if (state === 'silent') return new Promise(() => {})
          if (state === 'cut') return
          if (done) controller.close()
          else controller.enqueue(value)
        },
        cancel: reason => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    )
  }

  return {
    send,
    cut() {
      state = 'cut'
      for (const each of breaks) each()
    },
    silence() {
      state = 'silent'
    },
  }
}

/** A process that is dead renews nothing and gives nothing back. */
function mortal(lease: Lease, isDead: () => boolean): Lease {
  return {
    ...lease,
    async acquire(name, ttlSeconds, note) {
      if (isDead()) return new Promise(() => {})
      const held = await lease.acquire(name, ttlSeconds, note)
      if (held === null) return null
      return {
        token: held.token,
        renew: async more => {
          if (isDead()) throw new Error('dead')
          return held.renew(more)
        },
        release: async () => (isDead() ? undefined : held.release()),
      }
    },
  }
}
