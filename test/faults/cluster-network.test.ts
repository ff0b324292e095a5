// One replica of three that is cut off from one store after the other, and one whose clock is ten minutes ahead: it goes
// on with what it has, harms nobody, and is as good as the others when it is mended.

import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, hasCluster, startCluster } from '../cluster.ts'
import { eventually } from '../contracts/app/suite.ts'
import { type Origin, pattern, startOrigin } from '../origin.ts'
import { openRequest, rawRequest } from '../raw-http.ts'
import { cutOff, hasFirewall } from '../services/firewall.ts'
import { hasCondition } from '../tools.ts'
import { expectWhole, expectWholeOrFailed } from './world.ts'

const FILES = '/api/v1/remote/files'
const GID = 61_231
const FAKETIME = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu']
  .map(folder => `${folder}/faketime/libfaketime.so.1`)
  .find(existsSync)

describe.skipIf(!hasCluster() || !hasFirewall())('a replica that is cut off', () => {
  let origin: Origin
  let cluster: Cluster
  let ports: number[]

  beforeAll(async () => {
    origin = await startOrigin()
    const yaml = JSON.stringify({ remotes: { files: { base_url: origin.url } } })
    cluster = await startCluster({ yaml, gidOfLast: GID, env: { MISS_WAIT_MS: '50' } })
    ports = cluster.replicas.map(({ port }) => port)
  }, 120_000)
  afterAll(async () => {
    await cluster?.stop()
    await origin?.close()
  }, 60_000)

  const get = (index: number, path: string) =>
    rawRequest({ port: ports[index]!, path: `${FILES}${path}`, timeoutMs: 60_000 })

  it.each(['postgres', 'redis', 's3'] as const)(
    'from %s serves what it has, and the others do not notice',
    async name => {
      const kept = pattern(200_000, 11)
      origin.set(`/kept-${name}.bin`, { body: kept, etag: '"k"' })
      for (const index of [0, 1, 2]) expectWhole(await get(index, `/kept-${name}.bin`), kept)
      const mend = cutOff(GID, cluster.stores[name].port)
      try {
        const hits = Array.from({ length: 5 }, () => get(2, `/kept-${name}.bin`))
        for (const answer of await Promise.all(hits)) expectWhole(answer, kept)
        // New things: right wherever the stores are at hand, and right or refused where they are not.
        for (let i = 0; i < 3; i++) {
          const body = pattern(300_000 + i, 20 + i)
          origin.set(`/new-${name}-${i}.bin`, { body, etag: `"${name}${i}"` })
          const path = `/new-${name}-${i}.bin`
          const [cut, ...others] = await Promise.all([get(2, path), get(0, path), get(1, path)])
          for (const answer of others) expectWhole(answer, body)
          expectWholeOrFailed(cut, body)
          if (name === 'redis') expectWhole(cut, body)
        }
      } finally {
        mend()
      }
      await eventually(async () => {
        const path = `/after-${name}-${Date.now()}.bin`
        const body = pattern(150_000, 31)
        origin.set(path, { body })
        expectWhole(await get(2, path), body)
        const elsewhere = await get(0, path)
        expectWhole(elsewhere, body)
        expect(elsewhere.headers.get('x-artifact-source')).toBe('cache')
        const { text } = await rawRequest({ port: ports[2]!, path: '/ready' })
        expect(JSON.parse(text).parts.filter((part: { status: string }) => part.status !== 'up')).toEqual([])
      }, 40_000)
    },
    150_000,
  )

  it('from the one it follows goes on by itself, without a wrong byte', async () => {
    const body = pattern(6_000_000, 41)
    origin.set('/peer.bin', { body, etag: '"peer"' })
    const hold = origin.hold('/peer.bin', 2_000_000)
    const front = await openRequest({ port: ports[0]!, path: `${FILES}/peer.bin`, timeoutMs: 60_000 })
    await front.read(500_000)
    const behind = await openRequest({ port: ports[2]!, path: `${FILES}/peer.bin`, timeoutMs: 60_000 })
    await behind.read(500_000)
    const mend = cutOff(GID, await peerPortOf(0))
    try {
      await sleep(4_500)
      hold.release()
      expectWhole(await front.finish(), body)
      expectWhole(await behind.finish(), body)
    } finally {
      mend()
    }
  }, 60_000)

  /** Where the others reach a replica. */
  async function peerPortOf(index: number): Promise<number> {
    const { text } = await rawRequest({ port: ports[index]!, path: '/ready' })
    const part = JSON.parse(text).parts.find(({ name }: { name: string }) => name === 'peers')
    return Number(/:(\d+)$/.exec(part.product)?.[1])
  }
})

describe.skipIf(!hasCluster() || !hasCondition('faketime', FAKETIME !== undefined))(
  'replicas whose clocks differ',
  () => {
    let origin: Origin
    let cluster: Cluster
    let ports: number[]

    beforeAll(async () => {
      origin = await startOrigin()
      const yaml = JSON.stringify({
        remotes: {
          files: { base_url: origin.url },
          live: { base_url: origin.url, mutable_patterns: ['.*'], mutable_ttl: 5 },
          store: { type: 'local' },
        },
      })
      const skewed = { LD_PRELOAD: FAKETIME ?? '', FAKETIME: '+10m', FAKETIME_DONT_FAKE_MONOTONIC: '1' }
      const env = { COLLECT_GRACE_SECONDS: '5', MAINTENANCE_SECONDS: '1' }
      cluster = await startCluster({ yaml, env, envOf: index => (index === 2 ? skewed : {}) })
      ports = cluster.replicas.map(({ port }) => port)
    }, 120_000)
    afterAll(async () => {
      await cluster?.stop()
      await origin?.close()
    }, 60_000)

    const get = (index: number, path: string) =>
      rawRequest({ port: ports[index]!, path: `/api/v1/remote${path}` })

    it('take the time of the database, and say so', async () => {
      const said = cluster.replicas.map(replica =>
        /The clock of this machine is [\d.]+ s ahead/.test(replica.logs()),
      )
      expect(said).toEqual([false, false, true])
    })

    it('agree on what is fresh', async () => {
      for (const [first, second] of [
        [0, 2],
        [2, 0],
      ] as const) {
        const path = `/live-${first}.txt`
        origin.set(path, { body: 'one', etag: '"1"' })
        expect((await get(first, `/live${path}`)).text).toBe('one')
        origin.set(path, { body: 'two', etag: '"2"' })
        expect((await get(second, `/live${path}`)).text, `fresh for replica ${second}`).toBe('one')
        await sleep(5_500)
        expect((await get(second, `/live${path}`)).text, `expired for replica ${second}`).toBe('two')
      }
    }, 40_000)

    it('fetch once, whoever is asked first', async () => {
      const body = pattern(3_000_000, 51)
      origin.set('/skew.bin', { body, etag: '"s"' })
      const hold = origin.hold('/skew.bin', 1_000_000)
      const asked = [2, 0, 1, 2, 0, 1].map(index => get(index, '/files/skew.bin'))
      await sleep(2_000)
      hold.release()
      for (const answer of await Promise.all(asked)) expectWhole(answer, body)
      expect(origin.gets('/skew.bin')).toBe(1)
    })

    it('collect nothing that is in use', async () => {
      const uploads = Array.from({ length: 12 }, (_, i) => ({
        path: `/up-${i}.bin`,
        body: pattern(90_000 + i, 60 + i),
      }))
      const headers = { authorization: `Bearer ${cluster.replicas[0]!.adminToken}` }
      for (const [i, { path, body }] of uploads.entries()) {
        const request = { port: ports[i % 3]!, path: `/api/v1/remote/store${path}`, method: 'PUT', headers }
        expect((await rawRequest({ ...request, body: body.slice() })).status).toBe(201)
      }
      await sleep(8_000)
      for (const [i, { path, body }] of uploads.entries())
        expectWhole(await get((i + 1) % 3, `/store${path}`), body)
    }, 60_000)
  },
)
