import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KeyValue } from '../../src/ports/key-value.ts'
import { describeKeyValue } from '../contracts/key-value.ts'
import { startWorkerdPorts, type WorkerdPorts } from '../workerd.ts'

describe('Workers KV and cache', () => {
  let worker: WorkerdPorts
  beforeAll(async () => {
    worker = await startWorkerdPorts()
  })
  afterAll(() => worker?.stop())

  describeKeyValue('Workers KV and cache', async () => {
    const keyValue = client('keyValue')
    // One namespace for all tests, so what they use is emptied between them.
    await Promise.all(['k', 'short', 'long', 'nobody', 'missing'].map(keyValue.delete))
    // The cache of workerd goes by real time, so this waits.
    return { keyValue, pass: seconds => sleep(seconds * 1000) }
  })

  describeKeyValue('the cache of Workers alone', async () => {
    const keyValue = client('nearKeyValue')
    await Promise.all(['k', 'short', 'long', 'nobody', 'missing'].map(keyValue.delete))
    return { keyValue, pass: seconds => sleep(seconds * 1000) }
  })

  it('keeps all values out of KV where none is bound', async () => {
    await client('nearKeyValue').set('near', 'abc', 90)
    expect(await client('nearKeyValue').get('near')).toBe('abc')
    expect(await client('farKeyValue').get('near')).toBe(null)
  })

  it('finds long-lived values where the cache does not have them, until they expire', async () => {
    await client('keyValue').set('token', 'abc', 90)
    expect(await client('farKeyValue').get('token')).toBe('abc')
    await worker.call('clock', 'pass', 91)
    expect(await client('farKeyValue').get('token')).toBe(null)
  })

  it('keeps short-lived values out of KV', async () => {
    await client('keyValue').set('negative', 'abc', 30)
    expect(await client('farKeyValue').get('negative')).toBe(null)
  })

  it('forgets, does not fail and says so once a minute when KV refuses', async () => {
    const keyValue = client('brokenKeyValue')
    await keyValue.set('a', 'v', 90)
    await keyValue.delete('a')
    expect(await keyValue.get('a')).toBe(null)
    const warnings = await worker.call<string[]>('log', 'warnings')
    expect(warnings).toEqual([expect.stringContaining('429 Too Many Requests')])
  })

  function client(port: string): KeyValue {
    return {
      get: key => worker.call(port, 'get', key),
      set: (key, value, ttlSeconds) => worker.call(port, 'set', key, value, ttlSeconds),
      delete: key => worker.call(port, 'delete', key),
    }
  }
})
