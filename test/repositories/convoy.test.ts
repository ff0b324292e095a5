import { describe, expect, it } from 'vitest'
import { type Convoy, createConvoyOf } from '../convoy-engines.ts'
import { type Engine, readAnswer, settle } from '../engine.ts'
import { bodyInPieces, brokenOff, unreachable } from '../scripted-origin.ts'
import { read } from '../streams/reading.ts'

const X = '/api/v1/remote/r/x.bin'

describe('several processes that share their stores', () => {
  it('ask the origin once for what all of them want at the same time', async () => {
    const { replicas, origin, clock } = await createConvoyOf(3)
    const pieces = bodyInPieces()
    origin.files.set('x.bin', { body: pieces, headers: { 'content-length': '9' } })
    const answers = replicas.map(replica => replica.open(X))
    await clock.advance(200)
    pieces.push('abcdef')
    const readings = (await within(clock, Promise.all(answers))).map(answer => read(answer.body!))
    await settle()
    expect(readings.map(reading => reading.text)).toEqual(['abcdef', 'abcdef', 'abcdef'])
    pieces.push('ghi')
    pieces.end()
    await within(clock, Promise.all(readings.map(reading => reading.all())))
    expect(readings.map(reading => reading.text)).toEqual(Array(3).fill('abcdefghi'))
    expect(origin.asked).toEqual(['GET x.bin'])
  })

  it('serve it from the store afterwards, whoever brought it', async () => {
    const { replicas, origin, clock } = await createConvoyOf(2)
    origin.files.set('x.bin', { body: 'abc' })
    expect((await within(clock, replicas[0]!.get(X))).headers.get('x-artifact-source')).toBe('remote')
    expect((await within(clock, replicas[1]!.get(X))).headers.get('x-artifact-source')).toBe('cache')
    expect(origin.asked).toEqual(['GET x.bin'])
  })

  it('let someone join in the middle, from byte 0', async () => {
    const { world, pieces } = await flying(3)
    const [first, second, third] = world.replicas
    const a = read((await within(world.clock, first!.open(X))).body!)
    const b = read((await within(world.clock, second!.open(X))).body!)
    pieces.push('def')
    await world.clock.advance(10)
    const c = read((await within(world.clock, third!.open(X))).body!)
    const d = read((await within(world.clock, second!.open(X))).body!)
    pieces.push('ghi')
    pieces.end()
    await within(world.clock, Promise.all([a, b, c, d].map(reading => reading.all())))
    expect([a, b, c, d].map(reading => reading.text)).toEqual(Array(4).fill('abcdefghi'))
    expect(world.origin.asked).toEqual(['GET x.bin'])
  })

  it('tell those that follow that they follow', async () => {
    const { world, pieces } = await flying(2)
    const answers = []
    for (const replica of world.replicas) answers.push(await within(world.clock, replica.open(X)))
    expect(answers.map(answer => answer.headers.get('cache-status'))).toEqual([
      'artifactapi; fwd=miss; fwd-status=200; stored',
      'artifactapi; fwd=miss; collapsed',
    ])
    pieces.push('defghi')
    pieces.end()
    await within(world.clock, Promise.all(answers.map(answer => readAnswer(answer))))
  })

  it.each(['kill', 'silence'] as const)(
    'go on at the byte where the one in front was lost (%s)',
    async how => {
      const { world, pieces } = await flying(3, { etag: '"v1"' })
      const [front, ...others] = world.replicas
      await within(world.clock, front!.open(X))
      const readings = []
      for (const each of others) readings.push(read((await within(world.clock, each.open(X))).body!))
      await settle()
      expect(readings.map(reading => reading.text)).toEqual(['abc', 'abc'])
      world.origin.files.set('x.bin', request => {
        expect(request.headers).toMatchObject({ range: 'bytes=3-', 'if-range': '"v1"' })
        return { status: 206, body: 'defghi', headers: { etag: '"v1"', 'content-range': 'bytes 3-8/9' } }
      })
      if (how === 'silence') front!.kill()
      front![how]()
      await within(world.clock, Promise.all(readings.map(reading => reading.all())), 20_000)
      expect(readings.map(reading => reading.text)).toEqual(['abcdefghi', 'abcdefghi'])
      expect(world.origin.asked).toEqual(['GET x.bin', 'GET x.bin'])
      const kept = await within(world.clock, others[0]!.get(X))
      expect([kept.body, kept.headers.get('x-artifact-source')]).toEqual(['abcdefghi', 'cache'])
      pieces.end()
    },
  )

  it('break off what cannot be gone on with safely, and fetch it anew for the next', async () => {
    const { world } = await flying(2, {})
    const [front, other] = world.replicas
    await within(world.clock, front!.open(X))
    const reading = read((await within(world.clock, other!.open(X))).body!)
    await settle()
    front!.kill()
    await expect(within(world.clock, reading.all(), 20_000)).rejects.toMatchObject({ code: 'peer-lost' })
    world.origin.files.set('x.bin', { body: 'other' })
    expect((await within(world.clock, other!.get(X))).body).toBe('other')
  })

  it('take over from one that vanished before anybody could follow it', async () => {
    const world = await createConvoyOf(2)
    const { origin, clock, replicas } = world
    origin.files.set('x.bin', { body: 'abc' })
    await world.lease.acquire('flight:r/x.bin', 5, '10.0.0.9:8001')
    const asked = Promise.all(replicas.map(replica => replica.get(X)))
    await clock.advance(4_900)
    expect(origin.asked).toEqual([])
    expect((await within(clock, asked)).map(answer => answer.body)).toEqual(['abc', 'abc'])
    expect(origin.asked).toEqual(['GET x.bin'])
  })

  it('share what the origin refuses, without asking again', async () => {
    const world = await createConvoyOf(3)
    const { origin, clock, replicas } = world
    origin.files.set('x.bin', { status: 404 })
    const answers = await within(clock, Promise.all(replicas.map(replica => replica.get(X))))
    expect(answers.map(answer => answer.status)).toEqual([404, 404, 404])
    expect(origin.asked).toEqual(['GET x.bin'])
  })

  it('share the failure of the one in front', async () => {
    const { world, pieces } = await flying(2)
    const readings = []
    for (const each of world.replicas) readings.push(read((await within(world.clock, each.open(X))).body!))
    await settle()
    pieces.fail(brokenOff())
    for (const reading of readings)
      await expect(within(world.clock, reading.all())).rejects.toMatchObject({ code: 'upstream-broken' })
    expect(world.origin.asked).toEqual(['GET x.bin'])
  })

  it('serve one stale copy while the origin is away, after one attempt', async () => {
    const world = await createConvoyOf(2, { settings: { remotes: { r: { immutable_ttl: 60 } } } })
    const { origin, clock, replicas } = world
    origin.files.set('x.bin', { body: 'abc' })
    await within(clock, replicas[0]!.get(X))
    await clock.advance(61_000)
    origin.files.set('x.bin', unreachable())
    const answers = await within(clock, Promise.all(replicas.map(replica => replica.get(X))))
    expect(answers.map(answer => answer.body)).toEqual(['abc', 'abc'])
    expect(origin.asked).toEqual(['GET x.bin', 'GET x.bin'])
  })

  it('revalidate an expired copy once', async () => {
    const world = await createConvoyOf(3, { settings: { remotes: { r: { immutable_ttl: 60 } } } })
    const { origin, clock, replicas } = world
    origin.files.set('x.bin', ({ headers }) =>
      headers['if-none-match'] === '"v1"' ? { status: 304 } : { body: 'abc', headers: { etag: '"v1"' } },
    )
    await within(clock, replicas[0]!.get(X))
    await clock.advance(61_000)
    const answers = await within(clock, Promise.all(replicas.map(replica => replica.get(X))))
    expect(answers.map(answer => answer.body)).toEqual(['abc', 'abc', 'abc'])
    expect(origin.asked).toEqual(['GET x.bin', 'GET x.bin'])
  })

  it('do not record what was brought after another one had taken over', async () => {
    const { world, pieces } = await flying(2, { etag: '"v1"' })
    const [front, other] = world.replicas
    const slow = read((await within(world.clock, front!.open(X))).body!)
    // It hears nothing for longer than its lease lasts, and does not know.
    front!.kill()
    await world.clock.advance(6_000)
    world.origin.files.set('x.bin', { body: 'newer bytes', headers: { etag: '"v2"' } })
    expect((await within(world.clock, other!.get(X))).body).toBe('newer bytes')
    front!.revive()
    pieces.push('defghi')
    pieces.end()
    await within(world.clock, slow.all(), 20_000)
    expect(slow.text).toBe('abcdefghi')
    expect((await within(world.clock, other!.get(X))).body).toBe('newer bytes')
    expect(front!.logged.join('\n')).toMatch(/Not recording .*another process took over/)
  })

  it('refuse whoever does not know their secret', async () => {
    const { replicas } = await createConvoyOf(1)
    const ask = (headers: Record<string, string>) =>
      replicas[0]!.app.answerPeer(
        new Request('http://10.0.0.1:8001/flights', { method: 'POST', headers, body: '{}' }),
      )
    expect((await ask({})).status).toBe(401)
    expect((await ask({ authorization: 'Bearer wrong' })).status).toBe(401)
  })
})

async function flying(
  count: number,
  headers: Record<string, string> = {},
): Promise<{ world: Convoy; pieces: ReturnType<typeof bodyInPieces> }> {
  const world = await createConvoyOf(count)
  const pieces = bodyInPieces()
  pieces.push('abc')
  world.origin.files.set('x.bin', { body: pieces, headers: { 'content-length': '9', ...headers } })
  return { world, pieces }
}

/** Lets time pass until it is there. */
async function within<T>(clock: Engine['clock'], work: Promise<T>, limitMs = 5_000): Promise<T> {
  let isOver = false
  const over = () => {
    isOver = true
  }
  work.then(over, over)
  for (let passed = 0; passed < limitMs; passed += 20) {
    await settle()
    if (isOver) break
    await clock.advance(20)
  }
  if (!isOver) throw new Error(`Nothing came within ${limitMs} ms`)
  return work
}
