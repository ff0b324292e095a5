import { describe, expect, it } from 'vitest'
import { createEngine, ORIGIN } from '../engine.ts'
import { bodyInPieces } from '../scripted-origin.ts'

const remotes = {
  a: { base_url: `${ORIGIN}/a`, patterns: ['^allowed'] },
  b: { base_url: `${ORIGIN}/b` },
  l: { type: 'local' },
}

describe('a virtual repository', () => {
  it('is denied only where every member denies or has it not', async () => {
    const engine = await createEngine({ settings: { remotes, virtuals: { v: { members: ['a', 'b'] } } } })
    engine.origin.files.set('b/secret', { body: 'of b' })
    expect((await engine.get('/api/v1/virtual/v/secret')).body).toBe('of b')
    expect((await engine.get('/api/v1/virtual/v/other')).status).toBe(403)
    expect(engine.origin.asked).toEqual(['GET b/secret', 'GET b/other'])
  })

  it('stays with the member that began to answer', async () => {
    const engine = await createEngine({ settings: { remotes, virtuals: { v: { members: ['a', 'b'] } } } })
    const pieces = bodyInPieces()
    engine.origin.files.set('a/allowed', { body: pieces, headers: { 'content-length': '6' } })
    engine.origin.files.set('b/allowed', { body: 'of b!!' })
    const answer = await engine.open('/api/v1/virtual/v/allowed')
    pieces.push('abc')
    pieces.fail()
    await expect(answer.text()).rejects.toThrow()
  })

  it('goes on past a member whose stored bytes are damaged', async () => {
    const engine = await createEngine({ settings: { remotes, virtuals: { v: { members: ['l', 'b'] } } } })
    await engine.put('/api/l/x', 'uploaded')
    for (const { sha256 } of (await engine.services.blobs.list()).blobs)
      await engine.services.blobs.remove(sha256)
    engine.origin.files.set('b/x', { body: 'of b' })
    expect((await engine.get('/api/v1/virtual/v/x')).body).toBe('of b')
  })

  it('goes on past a member that is no more', async () => {
    const engine = await createEngine({ settings: { remotes } })
    const settings = JSON.stringify({ type: 'virtual', members: ['gone', 'b'] })
    await engine.app.repositories.catalog.putRepository('v', settings)
    await engine.app.repositories.directory.refresh()
    engine.origin.files.set('b/x', { body: 'of b' })
    expect((await engine.get('/api/v1/virtual/v/x')).body).toBe('of b')
    engine.origin.files.delete('b/x')
    expect((await engine.get('/api/v1/virtual/v/y')).status).toBe(404)
  })

  it('takes no uploads', async () => {
    const engine = await createEngine({ settings: { remotes, virtuals: { v: { members: ['l'] } } } })
    const answer = await engine.put('/api/v1/virtual/v/x', 'x')
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })
})
