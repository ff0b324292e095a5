import { describe, expect, it } from 'vitest'
import type { Catalog } from '../../src/catalog/catalog.ts'
import { withNews } from '../../src/catalog/news.ts'
import { withRecent } from '../../src/catalog/recent.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Broadcast } from '../../src/ports/broadcast.ts'
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
      const held = hold('look')
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
      const [heldChange, heldFind] = [hold(change), hold('look')]
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

describe('recent rows that other processes change too', () => {
  it('are let go when another process says that it changed them', async () => {
    const { recent, catalog, air } = await share()
    await recent.keep(old)
    await recent.keep(rowOf('a', 'y', 'y'))
    await catalog.keep(next)
    air.say('a\0x')
    expect(recent.isCurrent(old)).toBe(false)
    expect(await recent.find('a', 'x')).toEqual(next)
    expect(recent.isCurrent((await recent.find('a', 'y'))!)).toBe(true)
  })

  it('are confirmed after a gap, each when it is asked for, and stay the same object when they did not change', async () => {
    const { recent, catalog, air, asked } = await share()
    const [one, two] = [rowOf('a', '1', '1'), rowOf('a', '2', '2')]
    await recent.keep(one)
    await recent.keep(two)
    await catalog.keep({ ...two, checkedAt: 9 })
    air.gap()
    expect([recent.isCurrent(one), recent.isCurrent(two)]).toEqual([false, false])
    expect(await recent.find('a', '1')).toBe(one)
    expect(await recent.find('a', '2')).toEqual({ ...two, checkedAt: 9 })
    expect([recent.isCurrent(one), recent.isCurrent(two), asked()]).toEqual([true, false, 2])
    expect(await recent.find('a', '1')).toBe(one)
    expect(asked()).toBe(2)
  })

  it('are confirmed each time while no change would be heard', async () => {
    const { recent, catalog, air, asked } = await share()
    await recent.keep(old)
    air.isConnected = false
    expect(recent.isCurrent(old)).toBe(false)
    expect(await recent.find('a', 'x')).toBe(old)
    expect([recent.isCurrent(old), asked()]).toEqual([false, 1])
    await catalog.keep(next)
    expect(await recent.find('a', 'x')).toEqual(next)
    await catalog.forget(next)
    expect(await recent.find('a', 'x')).toBeNull()
  })

  it('do not hold again by themselves when changes can be heard again', async () => {
    const { recent, air } = await share()
    await recent.keep(old)
    air.isConnected = false
    await recent.find('a', 'x')
    air.gap()
    air.isConnected = true
    expect(recent.isCurrent(old)).toBe(false)
  })

  it('are served as they are while the database is away, without asking it', async () => {
    const { recent, air, state, asked } = await share()
    await recent.keep(old)
    air.isConnected = false
    state.isAway = true
    state.problem = new Problem('database-busy', 'away')
    expect(recent.isCurrent(old)).toBe(true)
    expect(await recent.find('a', 'x')).toBe(old)
    expect(asked()).toBe(0)
    await expect(recent.find('a', 'never seen')).rejects.toMatchObject({ code: 'database-busy' })
  })

  it('are served as they are when the database fails while they are confirmed', async () => {
    const { recent, air, state } = await share()
    await recent.keep(old)
    air.isConnected = false
    state.problem = new Problem('database-busy', 'lost')
    expect(await recent.find('a', 'x')).toBe(old)
    state.problem = new Problem('internal', 'a mistake of ours')
    await expect(recent.find('a', 'x')).rejects.toMatchObject({ code: 'internal' })
  })

  it('are served within moments when the database turns out to be away while they are confirmed', async () => {
    const { recent, air, state, hold, clock } = await share()
    await recent.keep(old)
    air.isConnected = false
    const held = hold('look')
    const found = recent.find('a', 'x')
    await clock.advance(300)
    state.isAway = true
    await clock.advance(300)
    expect(await found).toBe(old)
    held.open()
  })

  it('that were changed by another process are not served while the database is away', async () => {
    const { recent, air, state } = await share()
    await recent.keep(old)
    air.say('a\0x')
    state.isAway = true
    state.problem = new Problem('database-busy', 'away')
    expect(recent.isCurrent(old)).toBe(false)
    await expect(recent.find('a', 'x')).rejects.toMatchObject({ code: 'database-busy' })
  })

  it.each(['a message', 'a gap'])('are not overwritten by a reading during which %s arrives', async what => {
    const { recent, catalog, air, hold } = await share()
    await catalog.keep(old)
    const held = hold('look')
    const reading = recent.find('a', 'x')
    await turn()
    await catalog.keep(next)
    if (what === 'a gap') air.gap()
    else air.say('a\0x')
    held.open()
    const stale = await reading
    expect([stale, recent.isCurrent(stale!)]).toEqual([old, false])
    expect(await recent.find('a', 'x')).toEqual(next)
  })

  it('are not what this process made of them when another one changed them meanwhile', async () => {
    for (const change of ['keep', 'refresh'] as const) {
      const { recent, catalog, air, hold } = await share()
      await catalog.keep(old)
      const held = hold(change, 'after')
      const changing = recent[change]({ ...old, checkedAt: 5 })
      await turn()
      await catalog.keep(next)
      air.say('a\0x')
      held.open()
      await changing
      expect(await recent.find('a', 'x')).toEqual(next)
    }
  })

  it('are those of the database after two changes of one row by this process at once', async () => {
    const { recent, hold } = await share()
    const held = hold('keep', 'after')
    const first = recent.keep(old)
    await turn()
    const second = recent.keep(next)
    await turn()
    held.open()
    await Promise.all([first, second])
    expect(await recent.find('a', 'x')).toEqual(next)
  })

  it('are confirmed after a while although nothing is heard: who changed them may have ended before it could tell', async () => {
    const { recent, catalog, clock } = await share()
    await recent.keep(old)
    await catalog.keep(next)
    expect(await recent.find('a', 'x')).toBe(old)
    await clock.advance(100_000)
    expect(recent.isCurrent(old)).toBe(false)
    expect(await recent.find('a', 'x')).toEqual(next)
  })

  it('are looked for again after a change whose outcome is not known', async () => {
    const { recent, catalog, state } = await share()
    await recent.keep(old)
    state.failing = new Problem('database-busy', 'lost')
    await expect(recent.keep(next)).rejects.toMatchObject({ code: 'database-busy' })
    await catalog.keep(next)
    expect(await recent.find('a', 'x')).toEqual(next)
  })
})

describe('news', () => {
  it('tell each change to the others, after it was made, and also when it failed', async () => {
    const { catalog } = await openBooks()
    const air = createAir()
    const told = withNews(catalog, air.broadcast)
    const before: unknown[] = []
    const keep = told.keep(old)
    before.push(...air.said)
    await keep
    await told.refresh(old)
    await told.forget(old)
    await told.putRepository('r', '{}')
    await told.dropRepository('r')
    expect(before).toEqual([])
    expect(air.said).toEqual([
      ['rows', 'a\0x'],
      ['rows', 'a\0x'],
      ['rows', 'a\0x'],
      ['repositories', 'r'],
      ['repositories', 'r'],
    ])
    const failing = withNews({ ...catalog, keep: () => Promise.reject(new Error('lost')) }, air.broadcast)
    await expect(failing.keep(old)).rejects.toThrow('lost')
    expect(air.said).toHaveLength(6)
  })
})

function share(limitRows?: number) {
  const air = createAir()
  return open(limitRows, air.broadcast).then(opened => ({ ...opened, air }))
}

/** A broadcast whose other end is the test. */
function createAir() {
  const listeners: { onMessage(message: string): void; onGap(): void }[] = []
  const said: [string, string][] = []
  const air = {
    said,
    isConnected: true,
    say: (message: string) => {
      for (const { onMessage } of listeners) onMessage(message)
    },
    gap: () => {
      for (const { onGap } of listeners) onGap()
    },
    broadcast: {
      publish: (topic: string, message: string) => void said.push([topic, message]),
      subscribe(topic: string, onMessage: (message: string) => void, onGap: () => void) {
        expect(topic).toBe('rows')
        listeners.push({ onMessage, onGap })
        return () => {}
      },
      isConnected: () => air.isConnected,
      close: async () => {},
    },
  }
  return air
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

interface State {
  isAway: boolean
  /** What looking fails with. */
  problem: Problem | null
  /** What keeping fails with. */
  failing: Problem | null
}

/** Recent rows in front of a catalog that can be held: a reading after it read, a change before or after it is made. */
async function open(limitRows?: number, broadcast: Broadcast | null = null) {
  const { catalog, clock } = await openBooks()
  const gates = new Map<string, ReturnType<typeof gate>>()
  let looks = 0
  const state: State = { isAway: false, problem: null, failing: null }
  const held: Catalog = {
    ...catalog,
    async look(repository, key) {
      looks++
      if (state.problem !== null) throw state.problem
      const row = await catalog.look(repository, key)
      await gates.get('look after')?.opened
      return row
    },
    isAway: () => state.isAway,
    async keep(row) {
      if (state.failing !== null) throw state.failing
      await gates.get('keep before')?.opened
      await catalog.keep(row)
      await gates.get('keep after')?.opened
    },
    async refresh(row) {
      await gates.get('refresh before')?.opened
      const isThere = await catalog.refresh(row)
      await gates.get('refresh after')?.opened
      return isThere
    },
    async forget(row) {
      await gates.get('forget before')?.opened
      await catalog.forget(row)
    },
  }
  return {
    catalog,
    clock,
    recent: withRecent(held, { limitRows, broadcast, clock }),
    asked: () => looks,
    state,
    hold(action: 'look' | 'keep' | 'refresh' | 'forget', when = action === 'look' ? 'after' : 'before') {
      const made = gate()
      gates.set(`${action} ${when}`, made)
      return made
    },
  }
}
