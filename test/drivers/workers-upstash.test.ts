// Upstash from inside workerd, by the Worker's own values; a real Redis is behind it.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Miniflare } from 'miniflare'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { KeyValue } from '../../src/ports/key-value.ts'
import { describeKeyValue } from '../contracts/key-value.ts'
import { type Origin, startOrigin } from '../origin.ts'
import { hasRedis, type RedisService, startRedis } from '../services/redis.ts'
import { startUpstash, type UpstashBridge } from '../services/upstash.ts'
import { startWorker } from '../workerd.ts'

describe.skipIf(!hasRedis())('Upstash on Workers', () => {
  let redis: RedisService
  let upstash: UpstashBridge
  let worker: Miniflare
  let origin: Origin
  beforeAll(async () => {
    redis = await startRedis()
    upstash = await startUpstash(redis.port)
    origin = await startOrigin()
    const remotes = { files: { base_url: origin.url } }
    const env = upstash.environment()
    worker = await startWorker('test/workerd-values.mjs', { remotes, env, without: ['VALUES'] })
  })
  afterEach(() => redis.flush())
  afterAll(async () => {
    await worker?.dispose()
    await origin?.close()
    await upstash?.close()
    await redis?.stop()
  })

  const client = (): KeyValue => ({
    get: key => call(worker, 'get', key),
    set: (key, value, ttlSeconds) => call(worker, 'set', key, value, ttlSeconds),
    delete: key => call(worker, 'delete', key),
  })

  describeKeyValue('Upstash', async () => ({ keyValue: client(), pass: seconds => sleep(seconds * 1000) }))

  it('keeps what many requests ask for at once apart', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `key-${i}`)
    await Promise.all(names.map(name => client().set(name, `value of ${name}`, 60)))
    expect(await Promise.all(names.map(name => client().get(name)))).toEqual(
      names.map(name => `value of ${name}`),
    )
  })

  it('holds what the Worker remembers of an origin', async () => {
    for (let i = 0; i < 3; i++) expect(await status('/api/v1/remote/files/absent')).toBe(404)
    expect(origin.gets('/absent')).toBe(1)
    expect(upstash.commands).toContain('set')
    expect(await ready()).toContain(`Upstash ${new URL(upstash.url).host}`)
  })

  it('does without while it is away, and uses it again when it is back', async () => {
    await client().set('far', 'v', 60)
    const { port } = new URL(upstash.url)
    await upstash.close()
    expect(await client().get('far')).toBeNull()
    await client().set('near', 'w', 60)
    expect(await client().get('near')).toBe('w')
    expect(await status('/api/v1/remote/files/absent-too')).toBe(404)
    upstash = await startUpstash(redis.port, Number(port))
    await expect.poll(() => client().get('far'), { timeout: 10_000, interval: 200 }).toBe('v')
  })

  it('forgets, and says why, with a wrong token', async () => {
    const env = { REDIS_URL: upstash.url, REDIS_TOKEN: 'wrong' }
    const other = await startWorker('test/workerd-values.mjs', { remotes: {}, env })
    await call(other, 'set', 'k', 'v', 60)
    expect(await client().get('k')).toBeNull()
    const answer = await other.dispatchFetch('http://worker/ready')
    expect(answer.status).toBe(200) // it is not needed
    const { parts }: { parts: { name: string; error: string | null }[] } = JSON.parse(await answer.text())
    expect(parts.find(part => part.name === 'values')?.error).toMatch(/Unauthorized/)
    await other.dispose()
  })

  async function status(path: string): Promise<number> {
    const answer = await worker.dispatchFetch(`http://worker${path}`)
    await answer.text()
    return answer.status
  }

  async function ready(): Promise<string> {
    return (await worker.dispatchFetch('http://worker/ready')).text()
  }
})

async function call<Result>(worker: Miniflare, method: string, ...args: unknown[]): Promise<Result> {
  const body = JSON.stringify(args)
  const answer = await worker.dispatchFetch(`http://worker/values/${method}`, { method: 'POST', body })
  return JSON.parse(await answer.text()).result
}
