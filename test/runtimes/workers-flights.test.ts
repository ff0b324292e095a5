// The Worker's clients of one long download. R2 cannot read back what is staged: whoever comes after more bytes than a
// flight remembers waits for its end, and costs the origin nothing.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AppServer } from '../app-server.ts'
import { type Origin, pattern, sha256Of, startOrigin } from '../origin.ts'
import { openRequest, type RawAnswer, rawRequest } from '../raw-http.ts'
import { startServer } from '../servers.ts'

const BASE = '/api/v1/remote/files'
const MEGABYTE = 1_000_000

describe('a long download on Workers', () => {
  let origin: Origin
  let server: AppServer
  beforeAll(async () => {
    origin = await startOrigin()
    const yaml = JSON.stringify({ remotes: { files: { base_url: origin.url } } })
    server = await startServer('workers', { yaml })
  })
  afterAll(async () => {
    await server?.stop()
    await origin?.close()
  })

  const get = (path: string, headers = {}) =>
    rawRequest({ port: server.port, path: `${BASE}${path}`, headers })

  it('brings those who come late every byte, for one origin request', async () => {
    const body = pattern(9 * MEGABYTE, 1)
    origin.set('/late.bin', { body })
    const hold = origin.hold('/late.bin', 6 * MEGABYTE)
    const leader = get('/late.bin')
    await hold.reached
    const late = Array.from({ length: 4 }, () => get('/late.bin'))
    const parts = [get('/late.bin', { range: 'bytes=0-999' }), get('/late.bin', { range: 'bytes=-1000' })]
    await sleep(300)
    hold.release()
    for (const answer of await Promise.all([leader, ...late])) expectWhole(answer, body.sha256)
    for (const [at, start] of [0, body.size - 1000].entries()) {
      const part = await parts[at]!
      expect([part.status, sha256Of(part.body)]).toEqual([206, sha256Of(body.slice(start, start + 1000))])
    }
    expect(origin.gets('/late.bin')).toBe(1)
    expect(origin.heads('/late.bin')).toBe(0)
  })

  it('brings a client that fell behind every byte, and delays nobody for it', async () => {
    const body = pattern(9 * MEGABYTE, 2)
    origin.set('/behind.bin', { body })
    const slow = await openRequest({ port: server.port, path: `${BASE}/behind.bin` })
    slow.slow(1)
    const quick = await get('/behind.bin')
    expectWhole(quick, body.sha256)
    expect(slow.received()).toBeLessThan(body.size / 2)
    slow.hurry()
    expectWhole(await slow.finish(), body.sha256)
    expect(origin.gets('/behind.bin')).toBe(1)
  })
})

function expectWhole(answer: RawAnswer, sha256: string): void {
  expect([answer.status, answer.end, sha256Of(answer.body)]).toEqual([200, 'clean', sha256])
}
