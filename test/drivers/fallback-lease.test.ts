import { afterEach, describe, expect, it } from 'vitest'
import { createFallbackHealth } from '../../src/drivers/fallback-health.ts'
import { type FallbackLease, withFallbackLease } from '../../src/drivers/fallback-lease.ts'
import { createMemoryLease } from '../../src/drivers/memory-lease.ts'
import type { HeldLease, Lease } from '../../src/ports/lease.ts'
import { describeLease } from '../contracts/lease.ts'
import { FakeClock } from '../fake-clock.ts'
import { randomOf } from '../faults/world.ts'
import { listLog } from '../list-log.ts'

/** As long as the program believes in the mark of another process, and a little more. */
const CALM_MS = 45_000

// A far and a near place in memory, and processes that reach both, until a test cuts some of them off.
function createPlaces() {
  const clock = new FakeClock()
  let far = createMemoryLease(clock)
  const near = createMemoryLease(clock)
  let isStalled = false
  /** Grows when it is killed. */
  let lives = 0
  let late: (() => Promise<void>)[] = []
  const processes: Process[] = []

  /** What a command does: at once, not at all, or too late for whoever asked. */
  async function ask<T>(process: Process, work: () => Promise<T>, undo: (value: T) => unknown): Promise<T> {
    if (process.isCut) throw new Error('cut')
    if (!isStalled) return await work()
    late.push(async () => void (await undo(await work())))
    await clock.sleep(500)
    throw new Error('timed out')
  }

  function createProcess(isNearShared = true): Process {
    let tell: (fault: string | null) => void = () => {}
    const process = { isCut: false, isNearCut: false } as Process
    const reach: Lease = {
      async acquire(name, ttlSeconds, note) {
        const life = lives
        const held = await ask(
          process,
          () => far.acquire(name, ttlSeconds, note),
          each => each?.release(), // as `settle` does
        )
        return (
          held && {
            token: held.token,
            renew: more =>
              ask(
                process,
                async () => life === lives && (await held.renew(more)),
                () => {},
              ),
            release: () =>
              ask(
                process,
                () => held.release(),
                () => {},
              ),
          }
        )
      },
      holder: name =>
        ask(
          process,
          () => far.holder(name),
          () => {},
        ),
    }
    const reachNear: Lease = {
      async acquire(...values) {
        if (process.isNearCut) throw new Error('near is cut')
        return await near.acquire(...values)
      },
      async holder(name) {
        if (process.isNearCut) throw new Error('near is cut')
        return await near.holder(name)
      },
    }
    const health = createFallbackHealth({
      name: 'Far',
      standIn: 'near',
      probe: () =>
        ask(
          process,
          async () => {},
          () => {},
        ),
      link(listener) {
        tell = listener
        return () => {}
      },
      clock,
      log: listLog([]),
    })
    tell(null)
    const lease = withFallbackLease({
      far: reach,
      near: reachNear,
      isNearShared,
      toToken: token => token * 1000,
      health,
      clock,
      elapsedMs: clock.now,
    })
    Object.assign(process, {
      lease,
      cut() {
        process.isCut = true
        tell('cut')
      },
      mend() {
        process.isCut = false
        tell(null)
      },
      close() {
        lease.close()
        health.close()
      },
    })
    processes.push(process)
    return process
  }

  return {
    clock,
    near,
    far: () => far,
    createProcess,
    /** What it held is gone, and all notice. */
    kill() {
      far = createMemoryLease(clock)
      lives++
      late = []
      isStalled = false
      for (const process of processes) process.cut()
    },
    restart() {
      for (const process of processes) process.mend()
    },
    stall() {
      isStalled = true
    },
    async resume() {
      isStalled = false
      for (const work of late.splice(0)) await work()
    },
    close() {
      for (const process of processes) process.close()
    },
  }
}

interface Process {
  isCut: boolean
  isNearCut: boolean
  readonly lease: FallbackLease
  /** Off from the far place, alone. */
  cut(): void
  mend(): void
  close(): void
}

describe('leases with a stand-in', () => {
  const opened: ReturnType<typeof createPlaces>[] = []
  function open() {
    const places = createPlaces()
    opened.push(places)
    return places
  }
  afterEach(() => {
    for (const places of opened.splice(0)) places.close()
  })

  /** What `work` answers, however long it takes by the clock. */
  async function within<T>({ clock }: { clock: FakeClock }, ms: number, work: Promise<T>): Promise<T> {
    work.catch(() => {})
    await clock.advance(ms)
    return await work
  }

  for (const [state, prepare] of [
    ['begins', async () => {}],
    ['all is well', ({ clock }) => clock.advance(CALM_MS)],
    [
      'it is cut off',
      async ({ clock }, process) => {
        process.cut()
        await clock.advance(2_000)
      },
    ],
    [
      'another one is cut off',
      async places => {
        places.createProcess().cut()
        await places.clock.advance(2_000)
      },
    ],
  ] as [string, (places: ReturnType<typeof createPlaces>, process: Process) => Promise<void>][]) {
    describeLease(`with a stand-in, when ${state}`, async () => {
      const places = open()
      const process = places.createProcess()
      await prepare(places, process)
      return {
        lease: process.lease,
        pass: seconds => places.clock.advance(seconds * 1000),
        close: async () => places.close(),
      }
    })
  }

  it('ask only the far place while all is well', async () => {
    const places = open()
    const a = places.createProcess()
    await places.clock.advance(CALM_MS)
    await a.lease.acquire('x', 30)
    expect(await places.near.holder('x')).toBe(null)
    expect(await places.far().holder('x')).not.toBe(null)
  })

  it('move at once when the far place is gone, with their token and their note', async () => {
    const places = open()
    const a = places.createProcess()
    const b = places.createProcess()
    await places.clock.advance(CALM_MS)
    const held = await a.lease.acquire('x', 30, 'http://a')
    places.kill()
    expect(await within(places, 2_000, b.lease.acquire('x', 30))).toBe(null)
    const holder = { token: held!.token, note: 'http://a' }
    expect([await a.lease.holder('x'), await b.lease.holder('x')]).toEqual([holder, holder])
    expect(await held!.renew(30)).toBe(true)
    await held!.release()
    expect(await b.lease.acquire('x', 30)).not.toBe(null)
  })

  it('move back, and leave the near place when all is well again', async () => {
    const places = open()
    const a = places.createProcess()
    await places.clock.advance(CALM_MS)
    const held = await a.lease.acquire('x', 600, 'http://a')
    places.kill()
    await places.clock.advance(5_000)
    places.restart()
    await places.clock.advance(CALM_MS)
    expect(await places.near.holder('x')).toBe(null)
    expect(await a.lease.holder('x')).toEqual({ token: held!.token, note: 'http://a' })
    expect(await held!.renew(30)).toBe(true)
    await held!.release()
    expect(await places.far().holder('x')).toBe(null)
  })

  it('are not given again by a far place that lost them and is back before anybody has waited', async () => {
    const places = open()
    const [a, b] = [places.createProcess(), places.createProcess()]
    await places.clock.advance(CALM_MS)
    const held = await a.lease.acquire('x', 30)
    places.kill()
    places.restart()
    expect(await within(places, 2_000, b.lease.acquire('x', 30))).toBe(null)
    expect(await held!.renew(30)).toBe(true)
  })

  it('hold against a process that alone is cut off', async () => {
    const places = open()
    const [a, b] = [places.createProcess(), places.createProcess()]
    await places.clock.advance(CALM_MS)
    const held = await a.lease.acquire('x', 60)
    b.cut()
    expect(await within(places, 2_000, b.lease.acquire('x', 30))).toBe(null)
    await held!.release()
    expect(await b.lease.acquire('x', 30)).not.toBe(null)
    expect(await a.lease.acquire('x', 30)).toBe(null)
  })

  it('of a process that is cut off hold when it is back, renewed or not', async () => {
    const places = open()
    const [a, b] = [places.createProcess(), places.createProcess()]
    await places.clock.advance(CALM_MS)
    b.cut()
    const held = await within(places, 2_000, b.lease.acquire('x', 600))
    expect(held).not.toBe(null)
    b.mend()
    await places.clock.advance(CALM_MS)
    expect(await places.near.holder('x')).toBe(null)
    expect(await a.lease.acquire('x', 30)).toBe(null)
    expect((await a.lease.holder('x'))?.token).toBe(held!.token)
  })

  it('of a stalled far place are not waited for more than once', async () => {
    const places = open()
    const a = places.createProcess()
    await places.clock.advance(CALM_MS)
    places.stall()
    const first = within(places, 2_100, a.lease.acquire('x', 30))
    expect(await first).not.toBe(null)
    const startedAt = places.clock.now()
    for (const name of ['y', 'z']) expect(await a.lease.acquire(name, 30)).not.toBe(null)
    expect(places.clock.now()).toBe(startedAt)
  })

  it('that are released while the far place is away are free when it is back', async () => {
    const places = open()
    const [a, b] = [places.createProcess(), places.createProcess()]
    await places.clock.advance(CALM_MS)
    const held = await a.lease.acquire('x', 3600)
    places.stall()
    await within(places, 2_000, held!.release())
    await places.resume()
    await places.clock.advance(1_000)
    expect(await b.lease.acquire('x', 30)).not.toBe(null)
  })

  it('have tokens that grow whichever place they come from', async () => {
    const places = open()
    const a = places.createProcess()
    const tokens: number[] = []
    for (let round = 0; round < 6; round++) {
      const held = await within(places, 2_500, a.lease.acquire('x', 30))
      tokens.push(held!.token)
      await held!.release()
      if (round % 2 === 0) a.cut()
      else a.mend()
    }
    // In this test the far place counts milliseconds too, and the near ones are made a thousand times as large.
    const [far, near] = [tokens.filter((_, i) => i % 2 === 0), tokens.filter((_, i) => i % 2 === 1)]
    for (const each of [far, near]) expect(each).toEqual([...each].sort((x, y) => x - y))
    expect(new Set(tokens).size).toBe(tokens.length)
  })

  it('that a near place no longer answers for are the far one’s as long as that answers', async () => {
    const places = open()
    const a = places.createProcess()
    a.isNearCut = true
    const held = await a.lease.acquire('x', 30)
    expect(await held!.renew(30)).toBe(true)
    await held!.release()
    expect(await places.far().holder('x')).toBe(null)
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('have one holder at most, whatever happens (%i)', async seed => {
    const places = open()
    const random = randomOf(seed)
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
    const processes = [places.createProcess(), places.createProcess(), places.createProcess()]
    const names = ['x', 'y']
    const holders = new Map<string, number>()
    let overlaps = 0
    let acquired = 0
    let isOver = false

    /** A task as the program has them: takes a name, renews it every second for a while, and gives it back. */
    async function work(process: Process): Promise<void> {
      while (!isOver) {
        const name = pick(names)
        const startedAt = places.clock.now()
        const held = await process.lease.acquire(name, 5)
        expect(places.clock.now() - startedAt).toBeLessThanOrEqual(4_000)
        if (held !== null) await hold(held, name)
        await places.clock.sleep(200 + random() * 800)
      }
    }

    async function hold(held: HeldLease, name: string): Promise<void> {
      acquired++
      const count = (holders.get(name) ?? 0) + 1
      holders.set(name, count)
      if (count > 1) overlaps++
      const beats = Math.floor(random() * 8)
      for (let i = 0; i < beats; i++) {
        await places.clock.sleep(1_000)
        if (!(await held.renew(5))) break
      }
      holders.set(name, holders.get(name)! - 1)
      await held.release()
    }

    const working = processes.flatMap(process => [work(process), work(process)])
    for (let i = 0; i < 40; i++) {
      await places.clock.advance(500 + random() * 8_000)
      const what = pick(['kill', 'stall', 'cut'])
      const one = pick(processes)
      if (what === 'kill') places.kill()
      else if (what === 'stall') places.stall()
      else one.cut()
      await places.clock.advance(random() * pick([100, 2_000, 20_000]))
      if (what === 'kill') places.restart()
      else if (what === 'stall') await places.resume()
      else one.mend()
    }
    isOver = true
    await places.clock.advance(20_000)
    await Promise.all(working)
    expect(acquired).toBeGreaterThan(50)
    expect(overlaps).toBe(0)
  })
})
