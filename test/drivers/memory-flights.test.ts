// The engine's flights in one process, with a real way out.

import { describe, expect, it } from 'vitest'
import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { createSystemResolver } from '../../runtimes/shared/system-resolver.ts'
import { createMemoryBlobs } from '../../src/drivers/memory-blobs.ts'
import { createMemoryFlights } from '../../src/drivers/memory-flights.ts'
import { createMemoryMeter } from '../../src/drivers/memory-meter.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import { createUpstream } from '../../src/drivers/upstream.ts'
import type { RunningFlight } from '../../src/ports/flights.ts'
import type { Transport } from '../../src/ports/transport.ts'
import { describeFlights, jobOf } from '../contracts/flights.ts'
import { createEngine } from '../engine.ts'
import { listLog } from '../list-log.ts'

const clock = createSystemClock()

describeFlights('memory', async remotes => {
  const transport = await openTransport()
  const resolver = createSystemResolver(clock)
  const senses = { transport, resolver, clock, log: listLog([]), meter: createMemoryMeter(), version: '0' }
  const blobs = createMemoryBlobs({ hasher: nodeHasher, clock })
  const upstream = createUpstream(senses)
  const { app } = await createEngine({ settings: { remotes }, upstream, services: { clock, blobs } })
  return { flights: app.repositories.flights, close: () => transport.close() }
})

describe('memory flights', () => {
  it('tells what flies, also what takes no newcomers any more', async () => {
    const landed = Promise.withResolvers<null>()
    const flights = createMemoryFlights(() => runningUntil(landed.promise))
    const job = jobOf('files', 'x')
    expect([flights.isFlying(job), flights.count()]).toEqual([false, 0])
    await flights.join(job)
    expect([await flights.find(job), flights.isFlying(job), flights.count()]).toEqual([null, true, 1])
    landed.resolve(null)
    await landed.promise
    expect([flights.isFlying(job), flights.count()]).toEqual([false, 0])
  })
})

/** This runtime's own. By names in variables: each is typed with its runtime's types. */
async function openTransport(): Promise<Transport> {
  const bun = '../../runtimes/bun/fetch-transport.ts'
  const node = '../../runtimes/shared/undici-transport.ts'
  return 'Bun' in globalThis
    ? (await import(bun)).createFetchTransport()
    : (await import(node)).createUndiciTransport()
}

/** One that is closed from its beginning. */
function runningUntil(done: Promise<null>): RunningFlight {
  const landing = new Promise<never>(() => {})
  return { landing, done, isFollowing: false, isOpen: false, arrived: 0, rate: 0, body: () => null }
}
