// The kinds suite: one format through every kind of repository it supports. A new format calls it with its samples
// and adds nothing else; what the kinds do is the same for all of them.

import { describe, expect, it } from 'vitest'
import type { Format } from '../../src/formats/format.ts'
import { ADMIN, type Answer, createEngine, type Engine, ORIGIN } from '../engine.ts'
import { sha256Of } from '../pattern-body.ts'
import { type Script, unreachable } from '../scripted-origin.ts'

export interface KindsSample {
  /** As the client asks, below the repository. */
  readonly path: string
  /** Where the origin keeps it, below its base URL. */
  readonly originPath: string
  readonly body: string
}

export interface KindsSamples {
  readonly immutable: KindsSample
  readonly mutable: KindsSample
  /** A path that is none of this format; absent where every path is one. */
  readonly foreignPath?: string
  /** Present where the format takes uploads. */
  readonly upload?: { readonly path: string; readonly body: string; readonly refusedPath?: string }
  /** Throws unless an answer that is not 200 speaks as this format's clients want it. */
  readonly expectDialect: (answer: Answer, problem: { status: number; words: RegExp }) => void
}

const TTL_SECONDS = 600

export function describeKinds(format: Format, samples: KindsSamples): void {
  for (const hotPath of [true, false]) {
    describe(`Kinds contract: ${format.name}, ${hotPath ? 'with' : 'without'} the hot path`, () => {
      const start = (virtuals = {}, remotes = {}) =>
        createEngine({
          formats: [format],
          hotPath,
          settings: {
            remotes: {
              r: { package: format.name, mutable_ttl: TTL_SECONDS },
              a: { package: format.name, base_url: `${ORIGIN}/a` },
              b: { package: format.name, base_url: `${ORIGIN}/b` },
              ...remotes,
            },
            virtuals,
          },
        })
      describeRemote(samples, start)
      describeVirtual(format, samples, start)
      if (format.admit !== undefined) describeLocal(format, samples, start)
    })
  }

  describe(`Kinds contract: ${format.name}`, () => {
    it('answers the same with the hot path and without it', async () => {
      const short = await tour(format, samples, true)
      const long = await tour(format, samples, false)
      expect(short.answers).toEqual(long.answers)
      expect(short.atOnce).toEqual([false, false, true])
      expect(long.atOnce).toEqual([false, false, false])
    })
  })
}

type Start = (virtuals?: object, remotes?: object) => Promise<Engine>

function describeRemote({ immutable, mutable, ...samples }: KindsSamples, start: Start): void {
  const url = (sample: KindsSample) => `/api/v1/remote/r/${sample.path}`
  const serve = (engine: Engine, sample: KindsSample, headers = {}) =>
    engine.origin.files.set(sample.originPath, { body: sample.body, headers })

  describe('remote', () => {
    for (const sample of [immutable, mutable]) {
      const name = sample === immutable ? 'an immutable path' : 'a mutable path'

      it(`fetches ${name} once on a miss, and never on a hit`, async () => {
        const engine = await start()
        serve(engine, sample)
        const miss = await engine.get(url(sample))
        expect([miss.status, miss.body]).toEqual([200, sample.body])
        expect(miss.headers.get('x-artifact-source')).toBe('remote')
        for (let i = 0; i < 3; i++) {
          const hit = await engine.get(url(sample))
          expect([hit.status, hit.body]).toEqual([200, sample.body])
          expect(hit.headers.get('x-artifact-source')).toBe('cache')
        }
        expect(engine.origin.asked).toEqual([`GET ${sample.originPath}`])
      })

      it(`fetches ${name} once for ten who miss at once`, async () => {
        const engine = await start()
        serve(engine, sample)
        const answers = await Promise.all(Array.from({ length: 10 }, () => engine.get(url(sample))))
        expect(answers.map(answer => answer.body)).toEqual(Array(10).fill(sample.body))
        expect(engine.origin.asked).toEqual([`GET ${sample.originPath}`])
      })

      it(`tells by HEAD of ${name} what GET tells`, async () => {
        const engine = await start()
        serve(engine, sample)
        await engine.get(url(sample))
        const [got, told] = [await engine.get(url(sample)), await engine.head(url(sample))]
        expect(told.status).toBe(200)
        expect(told.bytes.byteLength).toBe(0)
        expect(told.headers.get('content-length')).toBe(String(got.bytes.byteLength))
        expect(Object.fromEntries(told.headers)).toEqual(Object.fromEntries(got.headers))
        expect(engine.origin.asked).toEqual([`GET ${sample.originPath}`])
      })

      it(`answers 304 for ${name} that the client has`, async () => {
        const engine = await start()
        serve(engine, sample)
        await engine.get(url(sample))
        const etag = `"${sha256Of(sample.body)}"`
        const answer = await engine.get(url(sample), { 'if-none-match': etag })
        expect([answer.status, answer.body, answer.headers.get('etag')]).toEqual([304, '', etag])
      })

      it(`answers a range of ${name}`, async () => {
        const engine = await start()
        serve(engine, sample)
        await engine.get(url(sample))
        const answer = await engine.get(url(sample), { range: 'bytes=1-3' })
        expect([answer.status, answer.body]).toEqual([206, sample.body.slice(1, 4)])
        expect(answer.headers.get('content-range')).toBe(`bytes 1-3/${sample.body.length}`)
      })

      it(`keeps nothing of ${name} whose digest is wrong`, async () => {
        const engine = await start()
        const wrong = `sha-256=:${btoa('x'.repeat(32))}:`
        serve(engine, sample, { 'repr-digest': wrong })
        await expect(engine.get(url(sample))).rejects.toThrow()
        expect(await engine.app.repositories.catalog.list('r', { limit: 10 })).toEqual([])
        serve(engine, sample)
        expect((await engine.get(url(sample))).body).toBe(sample.body)
      })
    }

    it('never asks for an immutable path again', async () => {
      const engine = await start()
      serve(engine, immutable)
      await engine.get(url(immutable))
      await engine.clock.advance(10 * 365 * 86_400_000)
      expect((await engine.get(url(immutable))).headers.get('x-artifact-source')).toBe('cache')
      expect(engine.origin.asked.length).toBe(1)
    })

    it('asks for a mutable path again when its time is over', async () => {
      const engine = await start()
      serve(engine, mutable)
      await engine.get(url(mutable))
      await engine.clock.advance(TTL_SECONDS * 1000)
      serve(engine, { ...mutable, body: 'another body' })
      expect((await engine.get(url(mutable))).body).toBe('another body')
      expect(engine.origin.asked.length).toBe(2)
    })

    it('serves its copy while the origin is down', async () => {
      const engine = await start()
      serve(engine, mutable)
      await engine.get(url(mutable))
      await engine.clock.advance(TTL_SECONDS * 1000)
      engine.origin.files.set(mutable.originPath, unreachable())
      const stale = await engine.get(url(mutable))
      expect([stale.status, stale.body]).toEqual([200, mutable.body])
      expect(stale.headers.get('cache-status')).toContain('fwd=stale')
      // Its time begins anew.
      await engine.get(url(mutable))
      expect(engine.origin.asked.length).toBe(2)
    })

    it('refuses in the dialect of its clients', async () => {
      const engine = await start()
      const missing = await engine.get(url(immutable))
      samples.expectDialect(missing, { status: 404, words: /origin of r answered 404/ })
      engine.origin.files.set(mutable.originPath, unreachable())
      samples.expectDialect(await engine.get(url(mutable)), { status: 502, words: /connection refused/ })
      if (samples.foreignPath === undefined) return
      const foreign = await engine.get(`/api/v1/remote/r/${samples.foreignPath}`)
      samples.expectDialect(foreign, { status: 404, words: /no path of a/ })
      expect(engine.origin.asked.length).toBe(2)
    })

    it('takes no uploads', async () => {
      const engine = await start()
      const answer = await engine.put(url(immutable), 'mine')
      samples.expectDialect(answer, { status: 405, words: /Cannot PUT/ })
      expect(answer.headers.get('allow')).toBe('GET, HEAD')
    })
  })
}

function describeVirtual(format: Format, { immutable, expectDialect }: KindsSamples, start: Start): void {
  const virtuals = { v: { package: format.name, members: ['a', 'b'] } }
  const url = `/api/v1/virtual/v/${immutable.path}`
  const serve = (engine: Engine, member: string, script: Script) =>
    engine.origin.files.set(`${member}/${immutable.originPath}`, script)

  describe('virtual', () => {
    it('answers what its first member has', async () => {
      const engine = await start(virtuals)
      serve(engine, 'a', { body: 'of a' })
      serve(engine, 'b', { body: 'of b' })
      expect((await engine.get(url)).body).toBe('of a')
      expect((await engine.head(url)).headers.get('etag')).toBe(`"${sha256Of('of a')}"`)
    })

    it('answers what a later member has when the first has it not', async () => {
      const engine = await start(virtuals)
      serve(engine, 'b', { body: 'of b' })
      expect((await engine.get(url)).body).toBe('of b')
    })

    it('goes on past a member that is down', async () => {
      const engine = await start(virtuals)
      serve(engine, 'a', unreachable())
      serve(engine, 'b', { body: 'of b' })
      expect((await engine.get(url)).body).toBe('of b')
    })

    it('is no 404 while a member that may have it is down', async () => {
      const engine = await start(virtuals)
      serve(engine, 'a', unreachable())
      expectDialect(await engine.get(url), { status: 502, words: /connection refused/ })
    })

    it('refuses in the dialect of its clients what no member has', async () => {
      const engine = await start(virtuals)
      expectDialect(await engine.get(url), { status: 404, words: /no member of v has/ })
    })
  })
}

function describeLocal(format: Format, { upload, expectDialect }: KindsSamples, start: Start): void {
  const { path, body, refusedPath } = upload ?? { path: '', body: '' }
  const remotes = {
    l: { type: 'local', package: format.name },
    again: { type: 'local', package: format.name, allow_redeploy: true },
  }
  const url = `/api/v1/remote/l/${path}`

  describe('local', () => {
    it('has samples', () => {
      expect(path).not.toBe('')
    })

    it('serves what was uploaded', async () => {
      const engine = await start({}, remotes)
      expect((await engine.put(url, body)).status).toBe(201)
      const answer = await engine.get(url)
      expect([answer.status, answer.body]).toEqual([200, body])
      expect(answer.headers.get('etag')).toBe(`"${sha256Of(body)}"`)
      expect(engine.origin.asked).toEqual([])
    })

    it('does not overwrite what is published', async () => {
      const engine = await start({}, remotes)
      await engine.put(url, body)
      expectDialect(await engine.put(url, 'another'), { status: 409, words: /published already/ })
      expect((await engine.get(url)).body).toBe(body)
    })

    it('overwrites where the repository allows it', async () => {
      const engine = await start({}, remotes)
      const place = `/api/v1/remote/again/${path}`
      await engine.put(place, body)
      await engine.get(place)
      expect((await engine.put(place, 'another')).status).toBe(200)
      expect((await engine.get(place)).body).toBe('another')
    })

    it('has no longer what was deleted', async () => {
      const engine = await start({}, remotes)
      await engine.put(url, body)
      await engine.get(url)
      await engine.get(url)
      expect((await engine.open(url, { method: 'DELETE', headers: ADMIN })).status).toBe(204)
      expectDialect(await engine.get(url), { status: 404, words: /l has no/ })
      const again = await engine.open(url, { method: 'DELETE', headers: ADMIN })
      expect(again.status).toBe(404)
    })

    it('keeps nothing whose digest is not the promised one', async () => {
      const engine = await start({}, remotes)
      const answer = await engine.put(url, body, { 'x-checksum-sha256': 'a'.repeat(64) })
      expectDialect(answer, { status: 400, words: /digest/ })
      expect((await engine.get(url)).status).toBe(404)
      expect((await engine.put(url, body, { 'x-checksum-sha256': sha256Of(body) })).status).toBe(201)
    })

    it('takes uploads and deletions only with the token', async () => {
      const engine = await start({}, remotes)
      for (const method of ['PUT', 'DELETE']) {
        const answer = await engine.open(url, { method, body: method === 'PUT' ? body : null })
        expect(answer.status).toBe(401)
      }
      expect((await engine.get(url)).status).toBe(404)
    })

    it.skipIf(refusedPath === undefined)('refuses what the format does not admit', async () => {
      const engine = await start({}, remotes)
      const answer = await engine.put(`/api/v1/remote/l/${refusedPath}`, body)
      expectDialect(answer, { status: 422, words: /./ })
      expect(await engine.app.repositories.catalog.list('l', { limit: 10 })).toEqual([])
    })

    it('is a member like any other', async () => {
      const virtuals = { v: { package: format.name, members: ['l', 'again'] } }
      const engine = await start(virtuals, remotes)
      await engine.put(`/api/v1/remote/again/${path}`, 'of again')
      expect((await engine.get(`/api/v1/virtual/v/${path}`)).body).toBe('of again')
      await engine.put(url, 'of l')
      expect((await engine.get(`/api/v1/virtual/v/${path}`)).body).toBe('of l')
    })
  })
}

/** Everything one client may ask in a row, and what it was told. */
async function tour(format: Format, samples: KindsSamples, hotPath: boolean) {
  const { immutable, mutable } = samples
  const remotes = { r: { package: format.name, mutable_ttl: TTL_SECONDS } }
  const engine = await createEngine({ formats: [format], hotPath, settings: { remotes } })
  for (const { originPath, body } of [immutable, mutable]) engine.origin.files.set(originPath, { body })
  const answers: unknown[] = []
  const atOnce: boolean[] = []
  for (const { path, body } of [immutable, mutable]) {
    const url = `/api/v1/remote/r/${path}`
    for (let i = 0; i < 3; i++) {
      if (path === immutable.path) atOnce.push(engine.answersAtOnce(url))
      note(await engine.get(url))
    }
    note(await engine.head(url))
    note(await engine.get(url, { range: 'bytes=0-0' }))
    note(await engine.get(url, { range: 'bytes=99999-' }))
    note(await engine.get(url, { 'if-none-match': `"${sha256Of(body)}"` }))
    note(await engine.get(url, { 'if-none-match': '"other"' }))
    await engine.clock.advance(7000)
    note(await engine.get(url))
    await engine.clock.advance(TTL_SECONDS * 1000)
    note(await engine.get(url))
    note(await engine.get(url))
    note(await engine.put(url, 'x'))
  }
  return { answers, atOnce }

  function note({ status, headers, body }: Answer): void {
    const told = Object.fromEntries(headers)
    delete told['x-artifactapi-request-id']
    answers.push({ status, body, headers: told })
  }
}
