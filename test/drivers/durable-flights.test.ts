// The engine's flights in Durable Objects, asked by a Worker in workerd.

import type { Miniflare } from 'miniflare'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeFlights, jobOf } from '../contracts/flights.ts'
import { type Origin, pattern, startOrigin } from '../origin.ts'
import { startWorker } from '../workerd.ts'
import { openWorkerdFlights } from '../workerd-flights.ts'

describeFlights('Durable Objects', async remotes => {
  const { worker, url } = await startFlights(remotes)
  return { flights: openWorkerdFlights(url), close: () => worker.dispose() }
})

describe('Durable Object flights', () => {
  let origin: Origin
  let worker: Miniflare
  let url: string
  beforeAll(async () => {
    origin = await startOrigin()
    ;({ worker, url } = await startFlights({ files: { base_url: origin.url } }))
  })
  afterAll(async () => {
    await worker?.dispose()
    await origin?.close()
  })

  it('go on when the request that started one ends before its landing', async () => {
    const body = pattern(3_000_000, 1)
    origin.set('/early.bin', { body })
    const hold = origin.hold('/early.bin', null)
    const leaving = new AbortController()
    const first = openWorkerdFlights(url, leaving.signal).join(jobOf('files', 'early.bin'))
    first.catch(() => {})
    await hold.reached
    const second = openWorkerdFlights(url).join(jobOf('files', 'early.bin'))
    leaving.abort(new Error('left'))
    await expect(first).rejects.toThrow('left')
    await new Promise(resolve => setTimeout(resolve, 100))
    hold.release()
    const view = await second
    expect(view.isLeader).toBe(false)
    expect(await view.done).toMatchObject({ sha256: body.sha256 })
    expect(origin.gets('/early.bin')).toBe(1)
  })

  it('fly without each other', async () => {
    origin.set('/stuck.bin', { body: 'stuck' })
    origin.set('/free.bin', { body: 'free' })
    const hold = origin.hold('/stuck.bin', null)
    const stuck = openWorkerdFlights(url).join(jobOf('files', 'stuck.bin'))
    await hold.reached
    expect(await (await openWorkerdFlights(url).join(jobOf('files', 'free.bin'))).done).toMatchObject({
      size: 4,
    })
    hold.release()
    expect(await (await stuck).done).toMatchObject({ size: 5 })
  })
})

async function startFlights(remotes: Readonly<Record<string, object>>) {
  const worker = await startWorker('test/workerd-flights.mjs', { remotes })
  const url = (await worker.ready).href.replace(/\/$/, '')
  // The first request makes the tables.
  await (await fetch(`${url}/health`)).arrayBuffer()
  return { worker, url }
}
