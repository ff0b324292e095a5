// The test origin is a tool that other tests trust: what it promises is tried here with a client that hides nothing.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Origin, pattern, sha256Of, startOrigin } from './origin.ts'
import { openRequest, rawRequest } from './raw-http.ts'

describe('Test origin', () => {
  let origin: Origin
  beforeAll(async () => {
    origin = await startOrigin()
  })
  afterAll(() => origin.close())
  const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    rawRequest({ port: origin.port, path, headers, method })

  it('sends a body of several blocks with its length', async () => {
    const body = pattern(200_000, 7)
    origin.set('/plain', { body })
    const answer = await ask('/plain')
    expect(answer.headers.get('content-length')).toBe('200000')
    expect(sha256Of(answer.body)).toBe(body.sha256)
    expect(origin.gets('/plain')).toBe(1)
  })

  it('slices a body like the whole', () => {
    const body = pattern(200_000, 7)
    expect(body.slice(65_530, 131_080)).toEqual(body.slice().slice(65_530, 131_080))
  })

  it('answers conditions and ranges', async () => {
    origin.set('/cond', { body: 'hello', etag: '"a"' })
    expect((await ask('/cond', { 'if-none-match': '"a"' })).status).toBe(304)
    const part = await ask('/cond', { range: 'bytes=1-3', 'if-range': '"a"' })
    expect([part.status, part.text, part.headers.get('content-range')]).toEqual([206, 'ell', 'bytes 1-3/5'])
    expect((await ask('/cond', { range: 'bytes=1-3', 'if-range': '"b"' })).status).toBe(200)
    expect((await ask('/cond', { range: 'bytes=9-' })).status).toBe(416)
  })

  it('cuts, resets and lies as told', async () => {
    origin.set('/cut', { body: pattern(100_000), cutAt: 40_000 })
    const cut = await ask('/cut')
    expect([cut.body.byteLength, cut.end]).toEqual([40_000, 'aborted'])
    origin.set('/chunked', { body: pattern(100_000), chunked: true, cutAt: 40_000 })
    expect((await ask('/chunked')).end).toBe('aborted')
    origin.set('/whole', { body: pattern(100_000), chunked: true })
    expect((await ask('/whole')).body.byteLength).toBe(100_000)
    origin.set('/long', { body: 'abc', saysLength: 10 })
    expect((await ask('/long')).end).toBe('aborted')
    origin.set('/reset', { reset: true })
    await expect(ask('/reset')).rejects.toThrow()
  })

  it('takes one resource after the other, and holds answers', async () => {
    origin.set('/turns', { body: 'one' }, { body: 'two' })
    expect((await ask('/turns')).text).toBe('one')
    const hold = origin.hold('/turns', 1)
    const pending = ask('/turns')
    await hold.reached
    hold.release()
    expect((await pending).text).toBe('two')
  })

  it('refuses connections while it is down', async () => {
    origin.set('/up', { body: 'x' })
    await origin.down()
    await expect(ask('/up')).rejects.toThrow()
    await origin.up()
    expect((await ask('/up')).text).toBe('x')
  })

  it('feels a client that reads slowly', async () => {
    origin.set('/window', { body: pattern(30_000_000) })
    const client = await openRequest({ port: origin.port, path: '/window' })
    client.slow(1)
    const before = client.received()
    await new Promise(resolve => setTimeout(resolve, 1500))
    expect(client.received() - before).toBeLessThan(10)
    client.leave()
  })

  it('paces a body', async () => {
    origin.set('/slow', { body: pattern(20_000), rate: 40_000 })
    const began = performance.now()
    await ask('/slow')
    expect(performance.now() - began).toBeGreaterThan(400)
  })
})
