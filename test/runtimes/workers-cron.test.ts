// What the Worker does when its cron trigger fires, seen in its bucket.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Miniflare } from 'miniflare'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { R2BucketLike } from '../../runtimes/workers/r2-bucket.ts'
import { listObjects } from '../../runtimes/workers/r2-bucket.ts'
import { type Origin, pattern, sha256Of, startOrigin } from '../origin.ts'
import { startWorker } from '../workerd.ts'

const ADMIN_TOKEN = 'test-admin-token'
const GRACE_MS = 1_000

describe.skipIf('Bun' in globalThis)('the cron of the Worker (miniflare needs Node)', () => {
  let origin: Origin
  let worker: Miniflare
  let url: string
  let bucket: R2BucketLike
  beforeEach(async () => {
    origin = await startOrigin()
  })
  afterEach(async () => {
    await worker?.dispose()
    await origin?.close()
  })

  async function start(env: Readonly<Record<string, string>> = {}) {
    const remotes = {
      files: { base_url: origin.url },
      small: { base_url: origin.url, max_size: '1MB' },
      uploads: { type: 'local', package: 'generic' },
    }
    const set = { ADMIN_TOKEN, COLLECT_GRACE_SECONDS: String(GRACE_MS / 1000), ...env }
    worker = await startWorker('test/workerd-cron.mjs', { remotes, env: set })
    url = (await worker.ready).href.replace(/\/$/, '')
    // Its types speak of another standard library's buffers and streams.
    bucket = (await worker.getR2Bucket('BLOBS')) as unknown as R2BucketLike
  }

  async function ask(method: string, path: string, body?: string) {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
    const answer = await fetch(`${url}${path}`, { method, headers, body })
    const bytes = new Uint8Array(await answer.arrayBuffer())
    expect([method, path, answer.status < 300]).toEqual([method, path, true])
    return { source: answer.headers.get('x-artifact-source'), sha256: sha256Of(bytes) }
  }
  const get = (path: string) => ask('GET', `/api/v1/remote/${path}`)

  async function fire(): Promise<void> {
    const { outcome } = await (await worker.getWorker()).scheduled({ cron: '*/5 * * * *' })
    expect(outcome).toBe('ok')
  }

  async function keys(prefix = ''): Promise<string[]> {
    const found = []
    for await (const { key } of listObjects(bucket, prefix)) found.push(key)
    return found
  }
  const blobs = () => keys('blobs/')
  const pastGrace = () => sleep(GRACE_MS + 200)

  it('removes the bytes of what was evicted or deleted, after the grace, and nothing else', async () => {
    await start()
    for (const path of ['/evicted', '/kept']) origin.set(path, { body: `body of ${path}` })
    for (const path of ['evicted', 'kept']) await get(`files/${path}`)
    for (const name of ['deleted', 'kept'])
      await ask('PUT', `/api/v1/remote/uploads/${name}`, `upload ${name}`)
    // The same bytes under another name stay.
    await ask('PUT', '/api/v1/remote/uploads/twin', 'body of /evicted')
    await ask('PUT', '/api/v1/remote/uploads/other', 'upload of its own')
    expect(await blobs()).toHaveLength(5)

    await ask('DELETE', '/api/v2/remotes/files/objects?prefix=evicted')
    for (const name of ['deleted', 'other']) await ask('DELETE', `/api/v1/remote/uploads/${name}`)
    await fire()
    expect(await blobs()).toHaveLength(5)
    await pastGrace()
    await fire()
    const left = ['body of /evicted', 'body of /kept', 'upload kept']
    expect((await blobs()).sort()).toEqual(left.map(text => `blobs/sha256/${sha256Of(text)}`).sort())
    expect(await get('files/kept')).toMatchObject({ source: 'cache' })
    expect(await get('files/evicted')).toEqual({ source: 'remote', sha256: sha256Of('body of /evicted') })
  })

  it('keeps a repository within its size', async () => {
    await start()
    for (let i = 0; i < 5; i++) {
      origin.set(`/${i}.bin`, { body: pattern(400_000, i) })
      await get(`small/${i}.bin`)
    }
    await fire()
    await pastGrace()
    await fire()
    expect((await blobs()).length).toBeLessThanOrEqual(2)
    expect(await get('small/4.bin')).toMatchObject({ source: 'cache' })
  })

  it('sweeps staged bytes that nobody goes on with', async () => {
    await start()
    const [abandoned, young] = [crypto.randomUUID(), crypto.randomUUID()]
    for (const part of ['00001', '00002', 'suspended']) await bucket.put(`staging/${abandoned}/${part}`, '{}')
    // Its writer may be alive.
    await bucket.put(`staging/${young}/00001`, 'x')
    await sleep(20)
    await fire()
    expect(await keys('staging/')).toEqual([`staging/${young}/00001`])
  })

  it('does no harm to a download under way', async () => {
    await start()
    const body = pattern(12_000_000, 9)
    origin.set('/long.bin', { body })
    const hold = origin.hold('/long.bin', 10_000_000)
    const downloading = get('files/long.bin')
    await hold.reached
    await expect.poll(() => keys('staging/')).toHaveLength(1)
    await fire()
    hold.release()
    expect(await downloading).toEqual({ source: 'remote', sha256: body.sha256 })
    await expect.poll(async () => (await get('files/long.bin')).source).toBe('cache')
    expect(origin.gets('/long.bin')).toBe(1)
    await expect.poll(() => keys('staging/')).toEqual([])
  })

  it('does no more at a time than it may, and goes on the next time', async () => {
    const limit = 60
    await start({ MAINTENANCE_CALLS: String(limit), COLLECT_GRACE_SECONDS: '0' })
    const names = Array.from({ length: 20 }, (_, i) => `${i}`)
    for (const name of names) await ask('PUT', `/api/v1/remote/uploads/${name}`, name)
    for (const name of names) await ask('DELETE', `/api/v1/remote/uploads/${name}`)
    const left = [(await blobs()).length]
    for (let i = 0; i < 12 && left.at(-1) !== 0; i++) {
      const { calls } = JSON.parse(await (await fetch(`${url}/maintain`, { method: 'POST' })).text())
      expect(calls).toBeLessThanOrEqual(limit)
      left.push((await blobs()).length)
    }
    expect(left[0]).toBe(20)
    expect(left.at(-1)).toBe(0)
    expect(left.length).toBeGreaterThan(3)
    // Every time some of it.
    expect(left.every((count, i) => i === 0 || count < left[i - 1]!)).toBe(true)
  })
})
