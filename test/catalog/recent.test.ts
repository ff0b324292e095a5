import { describe, expect, it } from 'vitest'
import type { Catalog } from '../../src/catalog/catalog.ts'
import { withRecent } from '../../src/catalog/recent.ts'
import { gate } from '../repositories/store-wrap.ts'
import { openBooks, rowOf } from './sample-rows.ts'

const old = rowOf('a', 'x', 'old')
const next = rowOf('a', 'x', 'next')

describe('recent rows', () => {
  it('are found without the database, as the same object', async () => {
    const { recent, asked } = await open()
    await recent.keep(old)
    expect(recent.isCurrent(old)).toBe(true)
    expect(await recent.find('a', 'x')).toBe(old)
    expect(asked()).toBe(0)
  })

  it('are remembered when they are found', async () => {
    const { recent, catalog, asked } = await open()
    await catalog.keep(old)
    const found = await recent.find('a', 'x')
    expect(found).toEqual(old)
    expect(recent.isCurrent(found!)).toBe(true)
    await recent.find('a', 'x')
    expect(asked()).toBe(1)
  })

  it('are another object after each change, and none when forgotten', async () => {
    const { recent } = await open()
    await recent.keep(old)
    await recent.keep(next)
    expect([recent.isCurrent(old), recent.isCurrent(next)]).toEqual([false, true])
    const refreshed = { ...next, freshUntil: 5 }
    await recent.refresh(refreshed)
    expect([recent.isCurrent(next), recent.isCurrent(refreshed)]).toEqual([false, true])
    await recent.forget(refreshed)
    expect(recent.isCurrent(refreshed)).toBe(false)
    expect(await recent.find('a', 'x')).toBeNull()
  })

  it('are not at hand while they are being changed', async () => {
    const { recent, hold } = await open()
    await recent.keep(old)
    for (const change of ['keep', 'refresh', 'forget'] as const) {
      const held = hold(change)
      const changing = recent[change](old)
      expect(recent.isCurrent(old)).toBe(false)
      held.open()
      await changing
    }
  })

  it('do not come back by a refresh of what was replaced or forgotten', async () => {
    const { recent } = await open()
    await recent.keep(old)
    await recent.keep(next)
    await recent.refresh({ ...old, freshUntil: 5 })
    expect(await recent.find('a', 'x')).toEqual(next)
    await recent.forget(next)
    await recent.refresh({ ...next, freshUntil: 5 })
    expect(await recent.find('a', 'x')).toBeNull()
  })

  it('are not overwritten by a reading that began before a change', async () => {
    for (const change of ['keep', 'forget'] as const) {
      const { recent, catalog, hold } = await open()
      await catalog.keep(old)
      const held = hold('find')
      const reading = recent.find('a', 'x')
      await (change === 'keep' ? recent.keep(next) : recent.forget(old))
      held.open()
      const stale = await reading
      expect([stale !== null && recent.isCurrent(stale), recent.isCurrent(next)]).toEqual([
        false,
        change === 'keep',
      ])
    }
  })

  it('are not overwritten by a reading that began during a change and ended after it', async () => {
    for (const change of ['keep', 'refresh', 'forget'] as const) {
      const { recent, catalog, hold } = await open()
      await catalog.keep(old)
      const changed = { ...old, freshUntil: 5 }
      const [heldChange, heldFind] = [hold(change), hold('find')]
      const changing = recent[change](changed)
      const reading = recent.find('a', 'x')
      heldChange.open()
      await changing
      heldFind.open()
      const stale = await reading
      expect([stale !== null && recent.isCurrent(stale), recent.isCurrent(changed)]).toEqual([
        false,
        change !== 'forget',
      ])
    }
  })

  it('let the least recently used go', async () => {
    const { recent } = await open(3)
    const kept = ['1', '2', '3', '4'].map(key => rowOf('a', key, 'abc'))
    for (const row of kept.slice(0, 3)) await recent.keep(row)
    await recent.find('a', '1')
    await recent.keep(kept[3]!)
    expect(kept.map(row => recent.isCurrent(row))).toEqual([true, false, true, true])
    expect(await recent.find('a', '2')).toEqual(rowOf('a', '2', 'abc'))
  })

  it('keep repositories and keys apart', async () => {
    const { recent } = await open()
    await recent.keep(rowOf('a', 'b/c', 'abc'))
    expect([await recent.find('a/b', 'c'), await recent.find('ab', '/c')]).toEqual([null, null])
  })
})

/** Recent rows in front of a catalog that can be held: a reading after it read, a change before it is made. */
async function open(limitRows?: number) {
  const { catalog } = await openBooks()
  const gates = new Map<string, ReturnType<typeof gate>>()
  let finds = 0
  const held: Catalog = {
    ...catalog,
    async find(repository, key) {
      finds++
      const row = await catalog.find(repository, key)
      await gates.get('find')?.opened
      return row
    },
    async keep(row) {
      await gates.get('keep')?.opened
      await catalog.keep(row)
    },
    async refresh(row) {
      await gates.get('refresh')?.opened
      return catalog.refresh(row)
    },
    async forget(row) {
      await gates.get('forget')?.opened
      await catalog.forget(row)
    },
  }
  return {
    catalog,
    recent: withRecent(held, limitRows),
    asked: () => finds,
    hold(action: 'find' | 'keep' | 'refresh' | 'forget') {
      const made = gate()
      gates.set(action, made)
      return made
    },
  }
}
