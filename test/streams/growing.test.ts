import { describe, expect, it } from 'vitest'
import { Problem } from '../../src/model/problem.ts'
import { GrowingBody, type GrowingOptions } from '../../src/streams/growing.ts'
import { settle } from '../engine.ts'
import { pattern } from '../pattern-body.ts'
import { blobOf, read } from './reading.ts'

const CHUNK = 100
const body = pattern(2000, 7)

describe('a growing body', () => {
  it('gives a late reader its first byte', async () => {
    const growing = grow({ ringBytes: 10_000 }, 10)
    const late = read(growing.stream())
    growing.end(null)
    expect(await late.all()).toEqual(body.slice(0, 1000))
  })

  it('follows as it grows', async () => {
    const growing = grow({ ringBytes: 10_000 }, 1)
    const reading = read(growing.stream())
    await settle()
    expect(reading.bytes).toBe(100)
    publish(growing, 1, 2)
    await settle()
    expect(reading.bytes).toBe(200)
    expect(reading.state).toBe('open')
    growing.end(null)
    await reading.all()
    expect(reading.state).toBe('closed')
  })

  it('shows no byte that is held back', async () => {
    const growing = new GrowingBody({ ringBytes: 10_000 })
    const reading = read(growing.stream())
    growing.publish(body.slice(0, 100), 99)
    await settle()
    expect(reading.bytes).toBe(99)
    growing.end(null)
    expect(await reading.all()).toEqual(body.slice(0, 100))
  })

  it('has old bytes read back where they were staged, and keeps few in memory', async () => {
    const asked: number[] = []
    const readBack = async (offset: number, limit: number) => {
      asked.push(offset)
      return body.slice(offset, Math.min(offset + limit, 2000))
    }
    const growing = grow({ ringBytes: 300, readBack }, 20)
    const reading = read(growing.stream())
    growing.end(null)
    expect(await reading.all()).toEqual(body.slice())
    expect(asked[0]).toBe(0)
  })

  it('lets a reader wait for the kept body where nothing can be read back', async () => {
    const growing = grow({ ringBytes: 300 }, 20)
    const reading = read(growing.stream())
    await settle()
    expect([reading.bytes, reading.state]).toEqual([0, 'open'])
    growing.end(blobOf(body.slice()))
    expect(await reading.all()).toEqual(body.slice())
  })

  it('waits for growth where what was staged cannot be read back yet', async () => {
    let readable = 0
    const readBack = async (offset: number, limit: number) =>
      body.slice(offset, Math.max(offset, Math.min(offset + limit, readable)))
    const growing = grow({ ringBytes: 300, readBack }, 10)
    const reading = read(growing.stream())
    await settle()
    expect([reading.bytes, reading.state]).toEqual([0, 'open'])
    readable = 800
    publish(growing, 10, 11)
    await settle()
    expect(reading.bytes).toBe(1100)
    growing.end(null)
    expect(await reading.all()).toEqual(body.slice(0, 1100))
  })

  it('fails a reader that fell behind a body which is not kept', async () => {
    const growing = grow({ ringBytes: 300 }, 20)
    const reading = read(growing.stream())
    growing.end(null)
    await expect(reading.all()).rejects.toMatchObject({ code: 'store-full' })
  })

  it('fails every reader when it fails, and closes none', async () => {
    const growing = grow({ ringBytes: 300, readBack: async () => new Uint8Array() }, 10)
    const readings = [read(growing.stream()), read(growing.stream(950)), read(growing.stream(1000))]
    await settle()
    growing.fail(new Problem('upstream-broken', 'gone'))
    for (const reading of readings)
      await expect(reading.all()).rejects.toMatchObject({ code: 'upstream-broken' })
    expect(readings.map(reading => reading.state)).toEqual(['failed', 'failed', 'failed'])
  })

  it('fails a reader that comes after it failed', async () => {
    const growing = grow({ ringBytes: 10_000 }, 1)
    growing.fail(new Problem('upstream-broken', 'gone'))
    await expect(read(growing.stream()).all()).rejects.toMatchObject({ code: 'upstream-broken' })
  })

  it.each([
    [0, 0],
    [5, 5],
    [5, 250],
    [950, 999],
    [990, 5000],
  ])('gives bytes %i to %i and no more', async (start, end) => {
    const readBack = async (offset: number, limit: number) => body.slice(offset, offset + limit)
    const growing = grow({ ringBytes: 300, readBack }, 10)
    const reading = read(growing.stream(start, end))
    if (end > 999) growing.end(null)
    expect(await reading.all()).toEqual(body.slice(start, Math.min(end + 1, 1000)))
  })

  it('ends at once when it is empty', async () => {
    const growing = new GrowingBody({ ringBytes: 300 })
    const reading = read(growing.stream())
    growing.end(null)
    expect((await reading.all()).byteLength).toBe(0)
  })

  it('is idle once, after it ended and its last reader left', async () => {
    let idle = 0
    const growing = grow({ ringBytes: 10_000, onIdle: () => idle++ }, 2)
    const [one, two] = [growing.stream(), growing.stream()]
    growing.end(null)
    expect(idle).toBe(0)
    await one.cancel()
    expect([idle, growing.readers]).toEqual([0, 1])
    await read(two).all()
    expect([idle, growing.readers]).toEqual([1, 0])
    await read(growing.stream()).all()
    expect(idle).toBe(1)
  })

  it('is still there for who comes after the end, kept or not', async () => {
    for (const kept of [null, blobOf(body.slice(0, 500))]) {
      const growing = grow({ ringBytes: 10_000 }, 5)
      growing.end(kept)
      expect(growing.canRead(0)).toBe(true)
      expect(await read(growing.stream()).all()).toEqual(body.slice(0, 500))
    }
  })
})

describe('a growing body of which nothing more is staged', () => {
  const readBack = async (offset: number, limit: number) => body.slice(offset, offset + limit)

  it('gives what was staged before to a reader that follows', async () => {
    const growing = grow({ ringBytes: 300, readBack }, 10)
    const reading = read(growing.stream())
    growing.stopStaging()
    await settle()
    expect(reading.bytes).toBe(1000)
    publish(growing, 10, 13)
    growing.end(null)
    expect(await reading.all()).toEqual(body.slice(0, 1300))
  })

  it('takes no newcomer once there is a gap between what was staged and what is in memory', () => {
    const growing = grow({ ringBytes: 300, readBack }, 10)
    growing.stopStaging()
    expect(growing.canRead(0)).toBe(true)
    publish(growing, 10, 14)
    expect(growing.canRead(0)).toBe(false)
    expect(growing.canRead(1200)).toBe(true)
  })

  it('fails at the gap a reader that was left behind', async () => {
    const growing = grow({ ringBytes: 300, readBack }, 10)
    const reading = read(growing.stream())
    growing.stopStaging()
    publish(growing, 10, 20)
    growing.end(null)
    await expect(reading.all()).rejects.toMatchObject({ code: 'store-full' })
    expect(reading.bytes).toBe(700)
  })

  it('counts as lagging who still reads what was staged', () => {
    const growing = grow({ ringBytes: 300, readBack }, 10)
    growing.stream()
    expect(growing.lag).toBe(0)
    growing.stopStaging()
    expect(growing.lag).toBe(1000)
    growing.leaveBehind(300)
    expect(growing.lag).toBe(0)
  })
})

function grow(options: GrowingOptions, chunks: number): GrowingBody {
  const growing = new GrowingBody(options)
  publish(growing, 0, chunks)
  return growing
}

function publish(growing: GrowingBody, from: number, to: number): void {
  for (let i = from; i < to; i++) growing.publish(body.slice(i * CHUNK, (i + 1) * CHUNK), (i + 1) * CHUNK)
}
