import { describe, expect, it } from 'vitest'
import { landBriefly } from '../../src/http/miss-wait.ts'
import type { FlightView } from '../../src/ports/flights.ts'
import { rowOf } from '../catalog/sample-rows.ts'
import { createEngine, readAnswer, settle } from '../engine.ts'
import { FakeClock } from '../fake-clock.ts'
import { bodyInPieces } from '../scripted-origin.ts'

const row = rowOf('r', 'x', 'abc')

describe('the wait for a short miss', () => {
  it('ends with what was kept meanwhile', async () => {
    const { clock, flight, land } = flying()
    const waiting = watch(landBriefly(flight, 3, 250, clock))
    await clock.advance(100)
    expect(waiting.result).toBe('waiting')
    land()
    await settle()
    expect(waiting.result).toBe(row)
  })

  it('ends after its time', async () => {
    const { clock, flight } = flying()
    const waiting = watch(landBriefly(flight, null, 250, clock))
    await clock.advance(249)
    expect(waiting.result).toBe('waiting')
    await clock.advance(1)
    expect(waiting.result).toBeNull()
  })

  it('ends as soon as the rest would take longer', async () => {
    const { clock, flight } = flying({ arrived: 1000, rate: 10_000 })
    const waiting = watch(landBriefly(flight, 10_000, 250, clock))
    await clock.advance(20)
    expect(waiting.result).toBeNull()
  })

  it('goes on while the rest may come in time', async () => {
    const { clock, flight } = flying({ arrived: 9000, rate: 10_000 })
    const waiting = watch(landBriefly(flight, 10_000, 250, clock))
    await clock.advance(140)
    expect(waiting.result).toBe('waiting')
    await clock.advance(20)
    expect(waiting.result).toBeNull()
  })

  it('does not begin for what no disk could take in time', async () => {
    const { clock, flight } = flying()
    expect(await landBriefly(flight, 250 * 500_000 + 1, 250, clock)).toBeNull()
    expect(clock.sleeping).toBe(0)
  })

  it('does not begin where it is switched off', async () => {
    const { clock, flight } = flying()
    expect(await landBriefly(flight, 3, 0, clock)).toBeNull()
    expect(clock.sleeping).toBe(0)
  })

  it('fails as the flight fails', async () => {
    const { clock, flight, fail } = flying()
    const waiting = landBriefly(flight, 3, 250, clock)
    fail()
    await expect(waiting).rejects.toThrow('broke off')
  })
})

describe('a short miss where streams lose their length', () => {
  it('is answered from the store, with its length and digest', async () => {
    const { engine, pieces } = await bunLike()
    const answering = engine.get('/api/r/x')
    await engine.clock.advance(100)
    pieces.push('abc')
    pieces.end()
    const { headers, body } = await answering
    expect([body, headers.get('content-length'), headers.has('repr-digest')]).toEqual(['abc', '3', true])
    expect(headers.get('x-artifact-source')).toBe('remote')
    expect(headers.get('cache-status')).toContain('fwd=miss')
  })

  it('is streamed when it takes longer', async () => {
    const { engine, pieces } = await bunLike()
    const answering = engine.open('/api/r/x')
    await engine.clock.advance(250)
    const answer = await answering
    pieces.push('abc')
    pieces.end()
    expect((await readAnswer(answer)).body).toBe('abc')
  })

  it('is refused in words when its origin breaks off meanwhile', async () => {
    const { engine, pieces } = await bunLike()
    const answering = engine.get('/api/r/x')
    await engine.clock.advance(100)
    pieces.fail()
    expect((await answering).status).toBe(502)
  })

  it('is not waited for by a HEAD', async () => {
    const { engine, pieces } = await bunLike()
    const answering = engine.get('/api/r/x')
    await settle()
    expect((await engine.head('/api/r/x')).status).toBe(200)
    pieces.push('abc')
    pieces.end()
    await answering
  })

  async function bunLike() {
    const engine = await createEngine({
      options: { missWaitMs: 250 },
      services: {
        delivery: {
          streamsKeepLength: false,
          blob: (blob, range) => blob.stream(range ?? undefined),
          stream: stream => stream,
          reusable: () => null,
        },
      },
    })
    const pieces = bodyInPieces()
    engine.origin.files.set('x', { body: pieces })
    return { engine, pieces }
  }
})

function flying(progress: { arrived: number; rate: number } = { arrived: 0, rate: 0 }) {
  let land = () => {}
  let fail = () => {}
  const done = new Promise<typeof row>((resolve, reject) => {
    land = () => resolve(row)
    fail = () => reject(new Error('broke off'))
  })
  const flight: FlightView = {
    isLeader: true,
    isFollowing: false,
    isOpen: true,
    landing: new Promise(() => {}),
    done,
    ...progress,
    body: () => null,
  }
  return { clock: new FakeClock(), flight, land: () => land(), fail: () => fail() }
}

function watch<T>(promise: Promise<T>): { readonly result: T | 'waiting' } {
  const seen: { result: T | 'waiting' } = { result: 'waiting' }
  void promise.then(result => {
    seen.result = result
  })
  return seen
}
