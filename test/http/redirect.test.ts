import { describe, expect, it } from 'vitest'
import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { createMemoryBlobs } from '../../src/drivers/memory-blobs.ts'
import type { BlobStore, LinkHeaders } from '../../src/ports/blob-store.ts'
import { createEngine, type Engine, type EngineOptions, settle } from '../engine.ts'
import { FakeClock } from '../fake-clock.ts'
import { sha256Of } from '../pattern-body.ts'

describe('a repository that redirects', () => {
  it('answers a GET of a stored object with an address of the store', async () => {
    const { engine, links } = await create({ redirect: true })
    engine.origin.files.set('a.tgz', { body: 'abcdef' })
    expect((await engine.get('/api/r/a.tgz')).body).toBe('abcdef')
    await settle()
    const answer = await engine.get('/api/r/a.tgz')
    expect([answer.status, answer.body]).toEqual([302, ''])
    expect(answer.headers.get('location')).toBe(`https://store.example/${sha256Of('abcdef')}`)
    expect(links).toEqual([
      {
        ttlSeconds: 900,
        contentType: 'application/gzip',
        contentDisposition: 'attachment; filename="a.tgz"',
      },
    ])
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'x-artifact-source': 'cache',
      'cache-status': 'artifactapi; hit',
      'cache-control': 'no-store',
    })
    expect(answer.headers.get('etag')).toBeNull()
  })

  it('redirects again and again, and a part like the whole', async () => {
    const engine = await hit({ redirect: true })
    for (let i = 0; i < 3; i++) expect((await engine.get('/api/r/a.bin')).status).toBe(302)
    expect((await engine.get('/api/r/a.bin', { range: 'bytes=1-2' })).status).toBe(302)
  })

  it('answers a HEAD itself', async () => {
    const engine = await hit({ redirect: true })
    const answer = await engine.head('/api/r/a.bin')
    expect([answer.status, answer.headers.get('content-length')]).toEqual([200, '6'])
  })

  it('answers 304 itself to who has it already', async () => {
    const engine = await hit({ redirect: true })
    const etag = `"${sha256Of('abcdef')}"`
    expect((await engine.get('/api/r/a.bin', { 'if-none-match': etag })).status).toBe(304)
    const later = 'Fri, 01 Jan 2027 00:00:00 GMT'
    expect((await engine.get('/api/r/a.bin', { 'if-modified-since': later })).status).toBe(304)
    expect((await engine.get('/api/r/a.bin', { 'if-none-match': '"other"' })).status).toBe(302)
  })

  it('sends what is encoded itself: the store would not say so', async () => {
    const engine = await hit({ redirect: true }, { 'content-encoding': 'gzip' })
    const answer = await engine.get('/api/r/a.bin')
    expect([answer.status, answer.headers.get('content-encoding')]).toEqual([200, 'gzip'])
  })

  it('sends everything itself where the store cannot link', async () => {
    const engine = await hit({ redirect: true }, {}, {})
    expect((await engine.get('/api/r/a.bin')).body).toBe('abcdef')
  })

  it('begins to with its settings, also for what is asked for often', async () => {
    const engine = await hit({})
    for (let i = 0; i < 3; i++) expect((await engine.get('/api/r/a.bin')).status).toBe(200)
    engine.configure({ remotes: { r: { redirect: true } } })
    expect((await engine.get('/api/r/a.bin')).status).toBe(302)
    engine.configure({ remotes: { r: {} } })
    expect((await engine.get('/api/r/a.bin')).status).toBe(200)
  })
})

async function create(entry: Record<string, unknown>, services?: EngineOptions['services']) {
  const clock = new FakeClock()
  const links: (LinkHeaders & { ttlSeconds: number })[] = []
  const blobs: BlobStore = {
    ...createMemoryBlobs({ hasher: nodeHasher, clock }),
    async link(sha256, ttlSeconds, headers) {
      links.push({ ttlSeconds, ...headers })
      return `https://store.example/${sha256}`
    },
  }
  const settings = { remotes: { r: entry } }
  return { engine: await createEngine({ settings, clock, services: services ?? { blobs } }), links }
}

/** With `a.bin` in the store. */
async function hit(
  entry: Record<string, unknown>,
  headers: Record<string, string> = {},
  services?: EngineOptions['services'],
): Promise<Engine> {
  const { engine } = await create(entry, services)
  engine.origin.files.set('a.bin', { body: 'abcdef', headers })
  await engine.get('/api/r/a.bin')
  await settle()
  return engine
}
