// Three replicas over Postgres, Redis and S3 while each of these, and each of themselves, fails: nothing lost, nothing
// partial, no wrong byte, and everything comes back without a restart.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, hasCluster, startCluster } from '../cluster.ts'
import { eventually } from '../contracts/app/suite.ts'
import { type Origin, pattern, startOrigin } from '../origin.ts'
import { openRequest, rawRequest } from '../raw-http.ts'
import { type Asked, type Load, slowest, startLoad, tally } from './load.ts'
import { expectWhole } from './world.ts'

const FILES = '/api/v1/remote/files'

describe.skipIf(!hasCluster())('three replicas', () => {
  let origin: Origin
  let cluster: Cluster
  let ports: number[]

  beforeAll(async () => {
    origin = await startOrigin()
    const yaml = JSON.stringify({
      remotes: {
        files: { base_url: origin.url },
        live: { base_url: origin.url, mutable_patterns: ['.*'], mutable_ttl: 600 },
        store: { type: 'local' },
      },
    })
    // Misses in full length, so that a body that breaks off is seen as such.
    cluster = await startCluster({ yaml, env: { MISS_WAIT_MS: '50', COLLECT_GRACE_SECONDS: '60' } })
    ports = cluster.replicas.map(({ port }) => port)
  }, 120_000)
  afterAll(async () => {
    await cluster?.stop()
    await origin?.close()
  }, 60_000)

  const get = (index: number, path: string) => rawRequest({ port: ports[index]!, path, timeoutMs: 30_000 })

  it('fetch an object once for all who want it anywhere, and give it to all as it comes', async () => {
    const body = pattern(4_000_000, 1)
    origin.set('/once.bin', { body, etag: '"once"' })
    const hold = origin.hold('/once.bin', 1_000_000)
    const asked = Array.from({ length: 30 }, (_, i) =>
      openRequest({ port: ports[i % 3]!, path: `${FILES}/once.bin` }),
    )
    const answers = await Promise.all(asked)
    // The first bytes are everywhere while the origin holds back the rest.
    for (const answer of answers) await answer.read(500_000)
    hold.release()
    for (const answer of answers) expectWhole(await answer.finish(), body)
    expect(origin.gets('/once.bin')).toBe(1)
  })

  it('serve from the store what another one fetched', async () => {
    const body = pattern(300_000, 2)
    origin.set('/shared.bin', { body })
    expectWhole(await get(0, `${FILES}/shared.bin`), body)
    for (const index of [1, 2]) {
      const answer = await get(index, `${FILES}/shared.bin`)
      expectWhole(answer, body)
      expect(answer.headers.get('x-artifact-source')).toBe('cache')
    }
    expect(origin.gets('/shared.bin')).toBe(1)
  })

  it('show what happens at one of them to whoever watches another', async () => {
    origin.set('/watched.bin', { body: 'watched' })
    const watching = new AbortController()
    const answer = await fetch(`${cluster.replicas[0]!.url}/api/v2/events`, { signal: watching.signal })
    let seen = ''
    const reading = (async () => {
      for await (const chunk of answer.body!) seen += new TextDecoder().decode(chunk)
    })().catch(() => {})
    try {
      await eventually(async () => {
        await get(1, `${FILES}/watched.bin`)
        expect(seen).toContain('/watched.bin')
      }, 15_000)
    } finally {
      watching.abort()
      await reading
    }
  }, 30_000)

  it('hand a download over when the one that brings it is killed in the middle', async () => {
    const body = pattern(8_000_000, 3)
    origin.set('/handover.bin', { body, etag: '"handover"' })
    const hold = origin.hold('/handover.bin', 4_000_000)
    const path = `${FILES}/handover.bin`
    const front = await openRequest({ port: ports[0]!, path })
    await front.read(1_000_000)
    const others = await Promise.all(
      [1, 2, 1, 2].map(index => openRequest({ port: ports[index]!, path, timeoutMs: 30_000 })),
    )
    for (const answer of others) await answer.read(1_000_000)
    await cluster.replicas[0]!.kill9()
    hold.release()
    for (const answer of others) expectWhole(await answer.finish(), body)
    const requests = origin.seen('/handover.bin')
    expect(requests.map(({ headers }) => headers.range ?? 'whole')).toEqual([
      'whole',
      expect.stringMatching(/^bytes=\d{6,}-$/),
    ])
    await cluster.replicas[0]!.restart()
    expectWhole(await get(0, path), body)
    expect(origin.gets('/handover.bin')).toBe(2)
  })

  it('go on while Redis is killed and comes back', async () => {
    await throughout(async () => {
      await cluster.stores.redis.kill9()
      await sleep(3_000)
      await cluster.stores.redis.restart()
      await sleep(2_000)
    }, expectAllRight)
    await expectReady()
  })

  it('go on while Redis stalls', async () => {
    await throughout(async () => {
      cluster.stores.redis.stall()
      await sleep(4_000)
      cluster.stores.redis.resume()
      await sleep(2_000)
    }, expectAllRight)
    await expectReady()
  })

  it('go on when Redis is emptied', async () => {
    await throughout(async () => {
      await cluster.stores.redis.flush()
      await sleep(1_500)
    }, expectAllRight)
  })

  it('serve what they have while Postgres is away, and everything when it is back', async () => {
    await throughout(
      async () => {
        await cluster.stores.postgres.crash()
        await sleep(2_500)
        await cluster.stores.postgres.restart()
        await sleep(4_000)
      },
      asked => {
        expect(tally(asked)).not.toHaveProperty('hit refused')
        expect(tally(asked)).not.toHaveProperty('hit broken off')
      },
    )
    await expectReady()
  })

  it('serve what they have and pass through the rest while S3 is away', async () => {
    await throughout(
      async () => {
        await cluster.stores.s3.crash()
        await sleep(3_000)
        await cluster.stores.s3.restart()
        await sleep(3_000)
      },
      asked => {
        expect(tally(asked)).not.toHaveProperty('hit refused')
        expect(tally(asked)).not.toHaveProperty('hit broken off')
        expect(tally(asked)).not.toHaveProperty('miss broken off')
      },
    )
    await expectReady()
    // Bodies are kept again.
    await eventually(async () => {
      const path = `/again-${Date.now()}.bin`
      origin.set(path, { body: 'again' })
      await get(0, `${FILES}${path}`)
      expect((await get(1, `${FILES}${path}`)).headers.get('x-artifact-source')).toBe('cache')
    }, 20_000)
  })

  it('lose no request in a rolling restart behind a balancer', async () => {
    const load = await startLoad({
      ports: [cluster.balancer.port],
      origin,
      remote: 'files',
      local: 'store',
      clients: 8,
    })
    for (const replica of cluster.replicas) {
      await replica.restart()
      await sleep(500)
    }
    await load.rest()
    expect(tally(load.asked)).toEqual({
      'hit right': expect.any(Number),
      'miss right': expect.any(Number),
      'upload right': expect.any(Number),
    })
    await expectUploads(load)
  })

  /** A load on all replicas while `harm` is done; then everything must be right again, and what was promised there. */
  async function throughout(
    harm: () => Promise<void>,
    check: (asked: readonly Asked[]) => void,
  ): Promise<void> {
    const load = await startLoad({ ports, origin, remote: 'files', local: 'store' })
    await harm()
    const mended = load.asked.length
    await sleep(1_500)
    await load.rest()
    console.log(expect.getState().currentTestName, tally(load.asked), slowest(load.asked))
    expect(tally(load.asked.filter(({ outcome }) => outcome === 'wrong'))).toEqual({})
    check(load.asked)
    expectAllRight(load.asked.slice(mended))
    expect(load.asked.length - mended).toBeGreaterThan(20)
    await expectUploads(load)
  }

  function expectAllRight(asked: readonly Asked[]): void {
    expect(asked.filter(({ outcome }) => outcome !== 'right')).toEqual([])
  }

  async function expectUploads(load: Load): Promise<void> {
    let index = 0
    for (const [path, body] of load.uploaded)
      expectWhole(await get(index++ % 3, `/api/v1/remote/store${path}`), body)
    expect(index).toBeGreaterThan(0)
  }

  async function expectReady(): Promise<void> {
    await eventually(async () => {
      for (const port of ports) {
        const { text } = await rawRequest({ port, path: '/ready' })
        expect(JSON.parse(text).parts.filter((part: { status: string }) => part.status !== 'up')).toEqual([])
      }
    }, 10_000)
  }
})
