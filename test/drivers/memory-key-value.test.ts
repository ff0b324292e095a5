import { expect, it } from 'vitest'
import { createMemoryKeyValue } from '../../src/drivers/memory-key-value.ts'
import { describeKeyValue } from '../contracts/key-value.ts'
import { FakeClock } from '../fake-clock.ts'

describeKeyValue('memory', async () => {
  const clock = new FakeClock()
  return { keyValue: createMemoryKeyValue(clock), pass: seconds => clock.advance(seconds * 1000) }
})

it('memory key-value drops the least recently used entry when it has too many', async () => {
  const keyValue = createMemoryKeyValue(new FakeClock(), { entries: 2 })
  await keyValue.set('a', '1', 60)
  await keyValue.set('b', '2', 60)
  await keyValue.get('a')
  await keyValue.set('c', '3', 60)
  expect([await keyValue.get('a'), await keyValue.get('b'), await keyValue.get('c')]).toEqual([
    '1',
    null,
    '3',
  ])
})

it('memory key-value stays within its characters, also after overwriting and deleting', async () => {
  const keyValue = createMemoryKeyValue(new FakeClock(), { characters: 10 })
  for (let i = 0; i < 5; i++) await keyValue.set('a', '1234', 60)
  await keyValue.set('b', '1234', 60)
  expect([await keyValue.get('a'), await keyValue.get('b')]).toEqual(['1234', '1234'])
  await keyValue.set('c', '12345678', 60)
  expect([await keyValue.get('a'), await keyValue.get('b'), await keyValue.get('c')]).toEqual([
    null,
    null,
    '12345678',
  ])
  await keyValue.set('c', 'longer than all of it', 60)
  expect(await keyValue.get('c')).toBe(null)
})
