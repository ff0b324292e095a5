import { describe, expect, it } from 'vitest'
import { ADMIN, createEngine, type Engine, settle } from '../engine.ts'
import { sha256Of } from '../pattern-body.ts'
import { bodyInPieces } from '../scripted-origin.ts'

const remotes = {
  l: { type: 'local', max_upload: 10 },
  again: { type: 'local', allow_redeploy: true },
}

describe('an upload', () => {
  it('is visible only when it is whole', async () => {
    const { engine, pieces, upload } = await uploading()
    pieces.push('abc')
    await settle()
    expect((await engine.get('/api/l/x')).status).toBe(404)
    pieces.push('def')
    pieces.end()
    expect((await upload).status).toBe(201)
    expect((await engine.get('/api/l/x')).body).toBe('abcdef')
  })

  it('that breaks off leaves nothing', async () => {
    const { engine, pieces, upload } = await uploading()
    pieces.push('abc')
    await settle()
    pieces.fail(new Error('the client left'))
    expect((await upload).status).toBeGreaterThanOrEqual(400)
    expect((await engine.get('/api/l/x')).status).toBe(404)
    expect((await engine.services.blobs.list()).blobs).toEqual([])
    // And hinders nobody.
    expect((await engine.put('/api/l/x', 'again')).status).toBe(201)
  })

  it('is refused while another of the same path is under way, and hinders no other path', async () => {
    const { engine, pieces, upload } = await uploading()
    await settle()
    expect((await engine.put('/api/l/x', 'other')).status).toBe(409)
    expect((await engine.put('/api/l/y', 'other')).status).toBe(201)
    pieces.push('abc')
    pieces.end()
    expect((await upload).status).toBe(201)
    expect((await engine.get('/api/l/x')).body).toBe('abc')
  })

  it.each([
    ['known beforehand', { 'content-length': '11' }, 413],
    ['seen on the way', {}, 413],
  ])('that is too large, %s, is refused', async (_, headers, status) => {
    const engine = await createEngine({ settings: { remotes } })
    expect((await engine.put('/api/l/x', 'x'.repeat(11), headers)).status).toBe(status)
    expect((await engine.put('/api/l/x', 'x'.repeat(10))).status).toBe(201)
  })

  it('with a digest that cannot be read is refused', async () => {
    const engine = await createEngine({ settings: { remotes } })
    const answer = await engine.put('/api/l/x', 'x', { 'x-checksum-sha256': 'no digest' })
    expect([answer.status, answer.body]).toEqual([400, expect.stringContaining('x-checksum-sha256')])
  })

  it.each(['x-checksum-md5', 'x-checksum-sha1', 'digest', 'repr-digest'])('%s is checked', async name => {
    const engine = await createEngine({ settings: { remotes } })
    const wrong = {
      'x-checksum-md5': 'a'.repeat(32),
      'x-checksum-sha1': 'a'.repeat(40),
      digest: `sha-256=${btoa('a'.repeat(32))}`,
      'repr-digest': `sha-256=:${btoa('a'.repeat(32))}:`,
    }[name]
    expect((await engine.put('/api/l/x', 'x', { [name]: wrong ?? '' })).status).toBe(400)
    expect((await engine.get('/api/l/x')).status).toBe(404)
    expect((await engine.services.blobs.list()).blobs).toEqual([])
  })

  it('is told where it is and what it is', async () => {
    const engine = await createEngine({ settings: { remotes } })
    const answer = await engine.put('/api/v1/remote/l/d/x', 'abc')
    expect(JSON.parse(answer.body)).toEqual({
      repository: 'l',
      path: 'd/x',
      size: 3,
      sha256: sha256Of('abc'),
    })
    expect(answer.headers.get('location')).toBe('/api/v1/remote/l/d/x')
  })

  it('in place of another is answered while the old one is still being read', async () => {
    const engine = await createEngine({ settings: { remotes } })
    await engine.put('/api/again/x', 'old')
    const reading = await engine.open('/api/again/x')
    await engine.put('/api/again/x', 'new')
    expect(await reading.text()).toBe('old')
    expect((await engine.get('/api/again/x')).body).toBe('new')
  })
})

/** An upload of x whose pieces the test pushes. */
async function uploading() {
  const engine: Engine = await createEngine({ settings: { remotes } })
  const pieces = bodyInPieces()
  const init = { method: 'PUT', body: pieces.stream(), headers: ADMIN, duplex: 'half' }
  return { engine, pieces, upload: engine.open('/api/l/x', init) }
}
