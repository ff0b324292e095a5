import { describe, expect, it } from 'vitest'
import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { createMemoryBlobs } from '../../src/drivers/memory-blobs.ts'
import { Problem } from '../../src/model/problem.ts'
import { createEngine, type Engine, ORIGIN, readAnswer, settle } from '../engine.ts'
import { FakeClock } from '../fake-clock.ts'
import { pattern, sha256Of } from '../pattern-body.ts'
import {
  bodyInPieces,
  createScriptedOrigin,
  type ScriptedAnswer,
  type SeenRequest,
} from '../scripted-origin.ts'
import { read } from '../streams/reading.ts'
import { gate, withStages } from './store-wrap.ts'

const URL_OF_X = '/api/v1/remote/r/x.bin'
const MIB = 1024 * 1024

describe('a flight', () => {
  it('gives a late joiner byte 0 at once', async () => {
    const { engine, pieces } = await flying({ 'content-length': '9' })
    const first = read(stream(await engine.open(URL_OF_X)))
    pieces.push('abc')
    pieces.push('def')
    await settle()
    const joined = await engine.open(URL_OF_X)
    const late = read(stream(joined))
    await settle()
    expect([first.text, late.text]).toEqual(['abcdef', 'abcdef'])
    expect(joined.headers.get('cache-status')).toBe('artifactapi; fwd=miss; collapsed')
    pieces.push('ghi')
    pieces.end()
    expect(await Promise.all([text(first), text(late)])).toEqual(['abcdefghi', 'abcdefghi'])
    expect(engine.origin.asked).toEqual(['GET x.bin'])
  })

  it('answers a range that has arrived while the rest is on its way', async () => {
    const { engine, pieces } = await flying({ 'content-length': '9' })
    const first = await engine.open(URL_OF_X)
    pieces.push('abcdef')
    await settle()
    const part = await engine.get(URL_OF_X, { range: 'bytes=2-4' })
    expect([part.status, part.body, part.headers.get('content-range')]).toEqual([206, 'cde', 'bytes 2-4/9'])
    pieces.push('ghi')
    pieces.end()
    expect((await readAnswer(first)).body).toBe('abcdefghi')
  })

  it('answers a range of a body of unknown length only of what has arrived, else from the store', async () => {
    const { engine, pieces } = await flying()
    const first = await engine.open(URL_OF_X)
    pieces.push('abcdef')
    await settle()
    const part = await engine.get(URL_OF_X, { range: 'bytes=2-4' })
    expect([part.status, part.body, part.headers.get('content-range')]).toEqual([206, 'cde', 'bytes 2-4/*'])
    const ofEnd = engine.get(URL_OF_X, { range: 'bytes=-2' })
    await settle()
    pieces.push('ghi')
    pieces.end()
    const end = await ofEnd
    expect([end.status, end.body, end.headers.get('content-range')]).toEqual([206, 'hi', 'bytes 7-8/9'])
    expect((await readAnswer(first)).body).toBe('abcdefghi')
  })

  it('tells a HEAD what is known of it', async () => {
    const { engine, pieces } = await flying({ 'content-length': '3', etag: '"v1"' })
    const first = await engine.open(URL_OF_X)
    const told = await engine.head(URL_OF_X)
    expect([told.status, told.headers.get('content-length'), told.headers.get('etag')]).toEqual([
      200,
      '3',
      '"v1"',
    ])
    pieces.push('abc')
    pieces.end()
    await readAnswer(first)
    expect(engine.origin.asked).toEqual(['GET x.bin'])
  })

  it('goes on when everyone left, and is kept', async () => {
    const { engine, pieces } = await flying({ 'content-length': '6' })
    const [one, two] = [await engine.open(URL_OF_X), await engine.open(URL_OF_X)]
    pieces.push('abc')
    await settle()
    await Promise.all([one.body?.cancel(), two.body?.cancel()])
    pieces.push('def')
    pieces.end()
    await settle()
    expect(pieces.isCancelled).toBe(false)
    const hit = await engine.get(URL_OF_X)
    expect([hit.body, hit.headers.get('x-artifact-source')]).toEqual(['abcdef', 'cache'])
  })

  it('is delayed by no slow reader, who still gets everything', async () => {
    const big = pattern(20 * MIB, 3)
    const { engine, pieces } = await flying({ 'content-length': String(big.size) })
    const slow = stream(await engine.open(URL_OF_X))
    const fast = read(stream(await engine.open(URL_OF_X)))
    for (let at = 0; at < big.size; at += MIB) pieces.push(big.slice(at, at + MIB))
    pieces.end()
    expect(sha256Of(await fast.all())).toBe(big.sha256)
    expect(sha256Of(await read(slow).all())).toBe(big.sha256)
  })

  it.each([
    ['the last chunk', { 'content-length': '6' }, 'abc'],
    ['one byte, where the length is unknown', {}, 'abcde'],
  ])('holds back %s until the body is kept', async (_, headers, visible) => {
    const kept = gate()
    const { engine, pieces } = await flying(headers, store =>
      withStages(store, stage => ({
        commit: async announce => {
          await kept.opened
          return stage.commit(announce)
        },
      })),
    )
    const reading = read(stream(await engine.open(URL_OF_X)))
    pieces.push('abc')
    pieces.push('def')
    pieces.end()
    await settle()
    expect([reading.text, reading.state]).toEqual([visible, 'open'])
    kept.open()
    expect(await text(reading)).toBe('abcdef')
  })

  it('fails every reader when its origin breaks off, and ends no answer', async () => {
    const { engine, pieces } = await flying({ 'content-length': '9' })
    const readings = [
      read(stream(await engine.open(URL_OF_X))),
      read(stream(await engine.open(URL_OF_X))),
      read(stream(await engine.open(URL_OF_X, { headers: { range: 'bytes=7-8' } }))),
    ]
    pieces.push('abcdef')
    await settle()
    pieces.fail()
    for (const reading of readings) await expect(reading.all()).rejects.toThrow()
    expect(readings.map(reading => reading.state)).toEqual(['failed', 'failed', 'failed'])
    expect(await rows(engine)).toBe(0)
  })

  it.each([
    ['short', 'abcde'],
    ['long', 'abcdefg'],
  ])('keeps nothing of a body that is too %s, and ends no answer', async (_, body) => {
    const { engine, pieces } = await flying({ 'content-length': '6' })
    const reading = read(stream(await engine.open(URL_OF_X)))
    pieces.push(body)
    pieces.end()
    await expect(reading.all()).rejects.toThrow()
    expect(reading.bytes).toBeLessThan(6)
    expect(await rows(engine)).toBe(0)
  })

  it.each([
    ['0 bytes', '', { 'content-length': '0' }],
    ['0 bytes without a length', '', { 'content-length': 'none' }],
    ['1 byte', 'a', { 'content-length': '1' }],
    ['1 byte without a length', 'a', { 'content-length': 'none' }],
  ])('brings %s', async (_, body, headers) => {
    const engine = await createEngine()
    engine.origin.files.set('x.bin', { body, headers })
    const miss = await engine.get(URL_OF_X)
    expect([miss.status, miss.body]).toEqual([200, body])
    const hit = await engine.get(URL_OF_X)
    expect([hit.body, hit.headers.get('content-length')]).toEqual([body, String(body.length)])
    expect(hit.headers.get('x-artifact-source')).toBe('cache')
  })

  it('fetches again what fell out of the store behind its back', async () => {
    const engine = await createEngine({ hotPath: false })
    engine.origin.files.set('x.bin', { body: 'abc' })
    await engine.get(URL_OF_X)
    await engine.services.blobs.remove(sha256Of('abc'))
    const again = await engine.get(URL_OF_X)
    expect([again.body, again.headers.get('x-artifact-source')]).toEqual(['abc', 'remote'])
  })
})

describe('a broken transfer', () => {
  const strong = { etag: '"v1"', 'content-length': '9' }

  it('is resumed where the origin names the same bytes', async () => {
    const engine = await broken(strong, ({ headers }) => ({
      status: 206,
      headers: { 'content-range': `bytes ${headers.range?.slice(6, -1)}-8/9`, etag: '"v1"' },
      body: 'defghi',
    }))
    expect((await engine.get(URL_OF_X)).body).toBe('abcdefghi')
    const { range, 'if-range': ifRange } = engine.origin.seen[1]?.headers ?? {}
    expect([range, ifRange]).toEqual(['bytes=3-', '"v1"'])
    expect((await engine.get(URL_OF_X)).headers.get('etag')).toBe(`"${sha256Of('abcdefghi')}"`)
  })

  it.each([
    ['another range', 206, { 'content-range': 'bytes 2-8/9', etag: '"v1"' }],
    ['another size', 206, { 'content-range': 'bytes 3-8/10', etag: '"v1"' }],
    ['another tag', 206, { 'content-range': 'bytes 3-8/9', etag: '"v2"' }],
    ['no tag', 206, { 'content-range': 'bytes 3-8/9' }],
    ['the whole body', 200, { etag: '"v1"' }],
  ])('is not gone on with when the origin answers %s', async (_, status, headers) => {
    const engine = await broken(strong, () => ({ status, headers, body: 'defghi' }))
    await expect(engine.get(URL_OF_X)).rejects.toThrow()
    expect(engine.origin.asked.length).toBe(2)
    expect(await rows(engine)).toBe(0)
  })

  it.each([
    ['a weak tag', { etag: 'W/"v1"', 'content-length': '9' }],
    ['no tag', { 'content-length': '9' }],
    ['an encoded body', { ...strong, 'content-encoding': 'gzip' }],
  ])('is not resumed with %s', async (_, headers) => {
    const engine = await broken(headers, () => ({ status: 206 }))
    await expect(engine.get(URL_OF_X)).rejects.toThrow()
    expect(engine.origin.asked.length).toBe(1)
  })

  it('is given up when it breaks four times without a byte', async () => {
    const engine = await broken(strong, () => {
      const rest = bodyInPieces()
      rest.fail()
      return { status: 206, headers: { 'content-range': 'bytes 3-8/9', etag: '"v1"' }, body: rest }
    })
    await expect(engine.get(URL_OF_X)).rejects.toThrow()
    expect(engine.origin.asked.length).toBe(4)
  })

  it('is answered with the copy at hand when it breaks at once', async () => {
    const { engine, pieces } = await again()
    const answer = engine.get(URL_OF_X)
    pieces.push('new')
    await engine.clock.advance(1999)
    pieces.fail()
    const { status, body, headers } = await answer
    expect([status, body]).toEqual([200, 'old'])
    expect(headers.get('cache-status')).toContain('fwd=stale')
  })

  it('is no longer answered with the copy after two seconds', async () => {
    const { engine, pieces } = await again()
    const answer = engine.open(URL_OF_X)
    pieces.push('new')
    await engine.clock.advance(2000)
    const reading = read(stream(await answer))
    await settle()
    expect(reading.text).toBe('new')
    pieces.fail()
    await expect(reading.all()).rejects.toThrow()
    // The copy is still there, and has its time anew.
    expect((await engine.get(URL_OF_X)).body).toBe('old')
  })
})

describe('a body whose digest is told', () => {
  const right = { 'repr-digest': `sha-256=:${hexToBase64(sha256Of('abcdef'))}:` }

  it.each(['kept', 'passed through'])('is not ended when it is wrong, %s', async how => {
    const { engine, pieces } = await flying(
      { 'content-length': '6', ...right },
      how === 'kept' ? undefined : store => refusing(store),
    )
    const reading = read(stream(await engine.open(URL_OF_X)))
    pieces.push('abc')
    pieces.push('deX')
    pieces.end()
    await expect(reading.all()).rejects.toThrow()
    expect(reading.text).toBe('abc')
    expect(await rows(engine)).toBe(0)
    expect((await engine.services.blobs.list()).blobs).toEqual([])
  })

  it.each(['kept', 'passed through'])('is whole when it is right, %s', async how => {
    const { engine, pieces } = await flying(
      { 'content-length': '6', ...right },
      how === 'kept' ? undefined : store => refusing(store),
    )
    const reading = read(stream(await engine.open(URL_OF_X)))
    pieces.push('abcdef')
    pieces.end()
    expect(await text(reading)).toBe('abcdef')
  })
})

describe('a store that cannot read back', () => {
  const blind = (store: ReturnType<typeof createMemoryBlobs>) =>
    withStages(store, () => ({ read: undefined, close: undefined }))

  it('is waited for by a reader that fell behind, until the body is kept', async () => {
    const big = pattern(16 * MIB, 4)
    const { engine, pieces } = await flying({ 'content-length': String(big.size) }, blind)
    const slow = stream(await engine.open(URL_OF_X)).getReader()
    for (let at = 0; at < big.size; at += MIB) pieces.push(big.slice(at, at + MIB))
    await settle()
    expect(pieces.taken).toBeLessThan(6)
    await engine.clock.advance(2000)
    await settle()
    expect(pieces.taken).toBe(16)
    let hasBytes = false
    const first = slow.read().then(({ value }) => {
      hasBytes = true
      return value
    })
    await settle()
    expect(hasBytes).toBe(false)
    pieces.end()
    const value = (await first) ?? new Uint8Array()
    expect(value.byteLength).toBeGreaterThan(0)
    expect(sha256Of(value)).toBe(sha256Of(big.slice(0, value.byteLength)))
  })

  it('gives all of the body to a reader that was let go', async () => {
    const big = pattern(16 * MIB, 4)
    const { engine, pieces } = await flying({ 'content-length': String(big.size) }, blind)
    const slow = stream(await engine.open(URL_OF_X))
    for (let at = 0; at < big.size; at += MIB) pieces.push(big.slice(at, at + MIB))
    pieces.end()
    await settle()
    await engine.clock.advance(2000)
    await settle()
    expect(sha256Of(await read(slow).all())).toBe(big.sha256)
  })
})

describe('a body that is not kept', () => {
  it('turns caching off for one body only when there is room for others', async () => {
    const roomy = await createEngine({ services: storeOf(store => refusing(store, 1e9)) })
    roomy.origin.files.set('x.bin', { body: 'abc' })
    expect((await roomy.get(URL_OF_X)).body).toBe('abc')
    expect(roomy.app.repositories.room.fault()).toBeNull()
    const full = await createEngine({ services: storeOf(store => refusing(store, 1e6)) })
    full.origin.files.set('x.bin', { body: 'abc' })
    expect((await full.get(URL_OF_X)).body).toBe('abc')
    expect(full.app.repositories.room.fault()).toContain('no space')
  })

  it('takes an answer without a body for an empty file', async () => {
    const origin = createScriptedOrigin(ORIGIN)
    const upstream = {
      send: async (request: Parameters<typeof origin.send>[0]) => ({
        ...(await origin.send(request)),
        body: null,
      }),
    }
    origin.files.set('x.bin', { body: '' })
    const engine = await createEngine({ upstream })
    const first = await engine.get(URL_OF_X)
    expect([first.status, first.body]).toEqual([200, ''])
    await settle()
    expect((await engine.get(URL_OF_X)).headers.get('x-artifact-source')).toBe('cache')
  })

  it('is whole, says so, and is fetched again by the next', async () => {
    const engine = await createEngine({ services: storeOf(store => refusing(store)) })
    engine.origin.files.set('x.bin', { body: 'abc' })
    for (let i = 0; i < 2; i++) {
      const answer = await engine.get(URL_OF_X)
      expect([answer.status, answer.body]).toEqual([200, 'abc'])
      expect(answer.headers.get('cache-status')).toBe('artifactapi; fwd=bypass')
    }
    expect(engine.origin.asked.length).toBe(2)
    expect(engine.logged.filter(line => line.includes('Caching is off')).length).toBe(1)
  })

  it('is whole where short misses wait for their end', async () => {
    const services = storeOf(store => refusing(store))
    const engine = await createEngine({
      services: {
        ...services,
        delivery: {
          streamsKeepLength: false,
          blob: (blob, range) => blob.stream(range ?? undefined),
          stream: body => body,
          reusable: () => null,
        },
      },
      options: { missWaitMs: 250 },
    })
    engine.origin.files.set('x.bin', { body: 'abc' })
    const answer = await engine.get(URL_OF_X)
    expect([answer.status, answer.body]).toEqual([200, 'abc'])
  })

  it('lets a slow reader hold it up for two seconds, and then goes on without it', async () => {
    const big = pattern(20 * MIB, 5)
    const { engine, pieces } = await flying({ 'content-length': String(big.size) }, store => refusing(store))
    const slow = stream(await engine.open(URL_OF_X))
    const fast = read(stream(await engine.open(URL_OF_X)))
    for (let at = 0; at < big.size; at += MIB) pieces.push(big.slice(at, at + MIB))
    pieces.end()
    await settle()
    const held = pieces.taken
    expect(held).toBeLessThan(6)
    await engine.clock.advance(1999)
    expect(pieces.taken).toBe(held)
    await engine.clock.advance(1)
    await settle()
    expect(sha256Of(await fast.all())).toBe(big.sha256)
    await expect(read(slow).all()).rejects.toMatchObject({ code: 'store-full' })
  })

  it('is fetched anew for who comes after its first byte is gone', async () => {
    const big = pattern(20 * MIB, 6)
    const { engine, pieces } = await flying({ 'content-length': String(big.size) }, store => refusing(store))
    const first = read(stream(await engine.open(URL_OF_X)))
    for (let at = 0; at < 10 * MIB; at += MIB) pieces.push(big.slice(at, at + MIB))
    await settle()
    const anew = bodyInPieces()
    engine.origin.files.set('x.bin', { body: anew, headers: { 'content-length': '3' } })
    const second = read(stream(await engine.open(URL_OF_X)))
    anew.push('new')
    anew.end()
    expect(await text(second)).toBe('new')
    for (let at = 10 * MIB; at < big.size; at += MIB) pieces.push(big.slice(at, at + MIB))
    pieces.end()
    expect(sha256Of(await first.all())).toBe(big.sha256)
  })

  it('is cancelled when everyone left', async () => {
    const big = pattern(8 * MIB, 7)
    const { engine, pieces } = await flying({ 'content-length': String(2 * big.size) }, store =>
      refusing(store),
    )
    const only = await engine.open(URL_OF_X)
    for (let at = 0; at < big.size; at += MIB) pieces.push(big.slice(at, at + MIB))
    await settle()
    await only.body?.cancel()
    await settle()
    expect(pieces.isCancelled).toBe(false)
    await engine.clock.advance(2000)
    await settle()
    expect(pieces.isCancelled).toBe(true)
    expect(engine.app.repositories.flights.count()).toBe(0)
  })

  it('is taken up again by who comes within two seconds', async () => {
    const big = pattern(5 * MIB, 8)
    const { engine, pieces } = await flying({ 'content-length': String(big.size) }, store => refusing(store))
    const first = await engine.open(URL_OF_X)
    for (let at = 0; at < big.size; at += MIB) pieces.push(big.slice(at, at + MIB))
    pieces.end()
    await first.body?.cancel()
    await settle()
    expect(pieces.taken).toBeLessThan(5)
    const second = read(stream(await engine.open(URL_OF_X)))
    expect(sha256Of(await second.all())).toBe(big.sha256)
    expect(engine.origin.asked.length).toBe(1)
  })
})

describe('a store that fails', () => {
  const start = () => {
    const clock = new FakeClock()
    const blobs = createMemoryBlobs({ hasher: nodeHasher, clock, limitBytes: 1000 })
    return createEngine({ clock, services: { blobs } })
  }

  it('in the middle lets the body pass to its end', async () => {
    const body = pattern(2000, 9)
    const engine = await start()
    const pieces = bodyInPieces()
    engine.origin.files.set('x.bin', { body: pieces, headers: {} })
    const reading = read(stream(await engine.open(URL_OF_X)))
    for (let at = 0; at < 2000; at += 250) pieces.push(body.slice(at, at + 250))
    pieces.end()
    expect(sha256Of(await reading.all())).toBe(body.sha256)
    await settle()
    expect(await rows(engine)).toBe(0)
    expect(await engine.services.blobs.freeBytes?.()).toBe(1000)
  })

  it('in the middle of a body whose digest is told breaks it off', async () => {
    const body = pattern(2000, 9)
    const engine = await start()
    const pieces = bodyInPieces()
    const headers = { 'repr-digest': `sha-256=:${hexToBase64(body.sha256)}:` }
    engine.origin.files.set('x.bin', { body: pieces, headers })
    const reading = read(stream(await engine.open(URL_OF_X)))
    for (let at = 0; at < 2000; at += 250) pieces.push(body.slice(at, at + 250))
    pieces.end()
    await expect(reading.all()).rejects.toThrow()
    expect(pieces.taken).toBe(5)
    expect(await engine.services.blobs.freeBytes?.()).toBe(1000)
  })

  it('is tried again after ten seconds', async () => {
    const engine = await start()
    engine.origin.files.set('x.bin', { body: 'x'.repeat(1001) })
    engine.origin.files.set('y.bin', { body: 'y' })
    await engine.get(URL_OF_X)
    const url = '/api/v1/remote/r/y.bin'
    expect((await engine.get(url)).headers.get('cache-status')).toBe('artifactapi; fwd=bypass')
    await engine.clock.advance(10_000)
    expect((await engine.get(url)).headers.get('cache-status')).toContain('stored')
    expect((await engine.get(url)).headers.get('x-artifact-source')).toBe('cache')
    expect(engine.logged.some(line => line.includes('Caching is on again'))).toBe(true)
  })

  it('at the end lets the body pass', async () => {
    const { engine, pieces } = await flying({ 'content-length': '6' }, store =>
      withStages(store, () => ({
        commit: async () => {
          throw new Problem('store-broken', 'Cannot rename')
        },
      })),
    )
    const reading = read(stream(await engine.open(URL_OF_X)))
    pieces.push('abcdef')
    pieces.end()
    expect(await text(reading)).toBe('abcdef')
    expect(await rows(engine)).toBe(0)
  })

  it('lets the body pass when it cannot be announced, and goes on keeping others', async () => {
    const { engine, pieces } = await flying({ 'content-length': '3' }, store =>
      withStages(store, () => ({
        commit: async () => {
          throw new Problem('database-busy', 'Cannot announce: the catalog is held')
        },
      })),
    )
    const reading = read(stream(await engine.open(URL_OF_X)))
    pieces.push('abc')
    pieces.end()
    expect(await text(reading)).toBe('abc')
    expect(engine.app.repositories.room.fault()).toBeNull()
    expect(engine.logged.some(line => line.startsWith('error Cannot announce'))).toBe(true)
  })

  it('leaves the body right when only the books cannot be written', async () => {
    const engine = await createEngine()
    const { database } = engine.services
    const batch = database.batch.bind(database)
    let isBroken = true
    database.batch = async statements => {
      const isObject = statements.some(({ sql }) => sql.includes('insert into objects'))
      if (isBroken && isObject) throw new Problem('database-busy', 'locked')
      return batch(statements)
    }
    engine.origin.files.set('x.bin', { body: 'abc' })
    expect((await engine.get(URL_OF_X)).body).toBe('abc')
    await settle()
    expect(await rows(engine)).toBe(0)
    expect(engine.logged.some(line => line.startsWith('error Cannot record r/x.bin'))).toBe(true)
    isBroken = false
    expect((await engine.get(URL_OF_X)).headers.get('x-artifact-source')).toBe('remote')
    expect((await engine.get(URL_OF_X)).headers.get('x-artifact-source')).toBe('cache')
  })
})

type Wrap = (store: ReturnType<typeof createMemoryBlobs>) => ReturnType<typeof createMemoryBlobs>

function storeOf(wrap: Wrap = store => store) {
  return { blobs: wrap(createMemoryBlobs({ hasher: nodeHasher, clock: new FakeClock() })) }
}

function refusing(
  store: ReturnType<typeof createMemoryBlobs>,
  freeBytes = 0,
): ReturnType<typeof createMemoryBlobs> {
  return {
    ...store,
    freeBytes: async () => freeBytes,
    stage: async () => {
      throw new Problem('store-full', 'Cannot stage body: no space')
    },
  }
}

/** An engine whose origin hands out x.bin piece by piece. */
async function flying(headers: Readonly<Record<string, string>> = {}, wrap?: Wrap) {
  const engine = await createEngine({ services: storeOf(wrap) })
  const pieces = bodyInPieces()
  engine.origin.files.set('x.bin', { body: pieces, headers })
  return { engine, pieces }
}

/** An engine whose origin breaks off after `abc`, and then answers requests for the rest. */
async function broken(
  headers: Readonly<Record<string, string>>,
  rest: (request: SeenRequest) => ScriptedAnswer,
): Promise<Engine> {
  const engine = await createEngine()
  engine.origin.files.set('x.bin', request => {
    if (request.headers.range !== undefined) return rest(request)
    const pieces = bodyInPieces()
    pieces.push('abc')
    pieces.fail()
    return { body: pieces, headers }
  })
  return engine
}

/** An engine that has an old copy of x.bin whose time is over. */
async function again() {
  const engine = await createEngine({ settings: { remotes: { r: { immutable_ttl: 60 } } } })
  engine.origin.files.set('x.bin', { body: 'old' })
  await engine.get(URL_OF_X)
  await engine.clock.advance(60_000)
  const pieces = bodyInPieces()
  engine.origin.files.set('x.bin', { body: pieces, headers: { 'content-length': '9' } })
  return { engine, pieces }
}

async function rows(engine: Engine): Promise<number> {
  return (await engine.app.repositories.catalog.list('r', { limit: 10 })).length
}

function stream(response: Response): ReadableStream<Uint8Array> {
  if (response.body === null) throw new Error(`${response.status} without a body`)
  return response.body
}

async function text(reading: ReturnType<typeof read>): Promise<string> {
  return new TextDecoder().decode(await reading.all())
}

function hexToBase64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}
