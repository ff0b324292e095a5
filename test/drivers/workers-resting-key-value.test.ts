// Values of a back end that fails: near ones stand in for them, without a wait for each request.

import { expect, it } from 'vitest'
import { newRest, withRestingKeyValue } from '../../runtimes/workers/resting-key-value.ts'
import { createMemoryKeyValue } from '../../src/drivers/memory-key-value.ts'
import type { KeyValue } from '../../src/ports/key-value.ts'
import { describeKeyValue } from '../contracts/key-value.ts'
import { FakeClock } from '../fake-clock.ts'
import { listLog } from '../list-log.ts'

function open() {
  const clock = new FakeClock()
  const far = createMemoryKeyValue(clock)
  const logged: string[] = []
  const state = { isAway: false, calls: 0 }
  async function call<Result>(work: () => Promise<Result>): Promise<Result> {
    state.calls++
    if (state.isAway) throw new Error('no answer')
    return work()
  }
  const openFar = (): KeyValue => ({
    get: key => call(() => far.get(key)),
    set: (key, value, ttlSeconds) => call(() => far.set(key, value, ttlSeconds)),
    delete: key => call(() => far.delete(key)),
  })
  const near = createMemoryKeyValue(clock)
  const keyValue = withRestingKeyValue({
    name: 'Upstash',
    openFar,
    near,
    rest: newRest(),
    clock,
    log: listLog(logged),
  })
  return { clock, far, near, logged, state, keyValue }
}

for (const isAway of [false, true]) {
  describeKeyValue(`resting, its back end ${isAway ? 'away' : 'at hand'}`, async () => {
    const { keyValue, clock, state } = open()
    state.isAway = isAway
    return { keyValue, pass: async seconds => void (await clock.advance(seconds * 1000)) }
  })
}

it('asks a back end that failed again after five seconds, and not before', async () => {
  const { keyValue, clock, far, state } = open()
  state.isAway = true
  await keyValue.set('k', 'near', 100)
  for (let i = 0; i < 10; i++) expect(await keyValue.get('k')).toBe('near')
  expect(state.calls).toBe(1)
  await clock.advance(4_999)
  expect(await keyValue.get('k')).toBe('near')
  expect(state.calls).toBe(1)
  state.isAway = false
  await far.set('k', 'far', 100)
  await clock.advance(1)
  expect(await keyValue.get('k')).toBe('far')
})

it('says once a minute that it is away', async () => {
  const { keyValue, clock, logged, state } = open()
  state.isAway = true
  for (let i = 0; i < 20; i++) {
    await keyValue.get('k')
    await clock.advance(5_000)
  }
  expect(logged).toEqual(Array(2).fill('warn Upstash is away; values are kept near until it is back'))
})
