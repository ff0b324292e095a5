// Several processes that serve one address together (WORKERS): one fetch for all, figures of all, and nothing lost
// when one of them dies.

import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AppServer } from '../app-server.ts'
import { type Origin, pattern, sha256Of, startOrigin } from '../origin.ts'
import { openRequest, rawRequest } from '../raw-http.ts'
import { startServer } from '../servers.ts'

const COUNT = 3

describe.each(['bun', 'node'] as const)('workers on %s', runtime => {
  let origin: Origin
  let server: AppServer

  beforeEach(async () => {
    origin = await startOrigin()
    const yaml = JSON.stringify({
      remotes: { files: { base_url: origin.url }, store: { type: 'local', allow_redeploy: true } },
    })
    server = await startServer(runtime, { yaml, env: { WORKERS: String(COUNT) } })
    await untilAllServe(server)
  })
  afterEach(async () => {
    await server.stop()
    await origin.close()
  })

  const ask = (path: string) => rawRequest({ port: server.port, path, headers: { connection: 'close' } })

  it('fetch an object once for clients of all of them', async () => {
    const body = pattern(3_000_000)
    origin.set('/big.bin', { body })
    const hold = origin.hold('/big.bin', 1_000_000)
    const asked = Array.from({ length: 24 }, () => ask('/api/v1/remote/files/big.bin'))
    await sleep(1_000)
    hold.release()
    const answers = await Promise.all(asked)
    expect(new Set(answers.map(answer => sha256Of(answer.body)))).toEqual(new Set([body.sha256]))
    expect(origin.requests.filter(({ path }) => path === '/big.bin')).toHaveLength(1)
  })

  it('tell each other what changed', async () => {
    for (let version = 1; version <= 5; version++) {
      await rawRequest({
        port: server.port,
        path: '/api/v1/remote/store/x.txt',
        method: 'PUT',
        headers: { authorization: `Bearer ${server.adminToken}`, connection: 'close' },
        body: `version ${version}`,
      })
      await sleep(50)
      const answers = await Promise.all(Array.from({ length: 12 }, () => ask('/api/v1/remote/store/x.txt')))
      expect(new Set(answers.map(answer => answer.text))).toEqual(new Set([`version ${version}`]))
    }
  })

  it('show the figures of all of them, whoever is asked', async () => {
    origin.set('/x.bin', { body: 'x' })
    for (let i = 0; i < 12; i++) await ask('/api/v1/remote/files/x.bin')
    const { text } = await ask('/metrics')
    const up = text.split('\n').filter(line => line.startsWith('artifactapi_up'))
    expect(up.sort()).toEqual(['0', '1', '2'].map(worker => `artifactapi_up{worker="${worker}"} 1`))
    expect(text.match(/^# TYPE artifactapi_requests_total/gm)).toHaveLength(1)
    const counted = [...text.matchAll(/^artifactapi_requests_total\{.*repo="files".*\} (\d+)$/gm)]
    expect(counted.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(12)
  })

  it('lose nothing when one of them is killed while it fetches', async () => {
    const body = pattern(6_000_000)
    origin.set('/big.bin', { body, etag: '"v1"' })
    const hold = origin.hold('/big.bin', 2_000_000)
    const path = '/api/v1/remote/files/big.bin'
    const headers = { connection: 'close' }
    const open = await Promise.all(
      Array.from({ length: 12 }, () => openRequest({ port: server.port, path, headers })),
    )
    const [victim] = workersOf(server)
    process.kill(victim!, 'SIGKILL')
    hold.release()
    const ends = await Promise.all(open.map(answer => answer.finish()))
    // Whoever was connected to the one that died is broken off, visibly; all others get every byte.
    const whole = ends.filter(({ end }) => end !== 'aborted')
    expect(whole.length).toBeGreaterThan(0)
    for (const answer of whole) expect(sha256Of(answer.body)).toBe(body.sha256)
    expect(sha256Of((await ask(path)).body)).toBe(body.sha256)
    await untilAllServe(server)
    expect(workersOf(server)).not.toContain(victim)
  })
})

function workersOf(server: AppServer): number[] {
  const children = execFileSync('ps', ['--ppid', String(server.pid()), '-o', 'pid='], { encoding: 'utf8' })
  return children.trim().split(/\s+/).map(Number)
}

async function untilAllServe(server: AppServer): Promise<void> {
  for (const began = Date.now(); ; await sleep(50)) {
    const { text } = await rawRequest({
      port: server.port,
      path: '/metrics',
      headers: { connection: 'close' },
    })
    if (text.match(/^artifactapi_up\{/gm)?.length === COUNT) return
    if (Date.now() - began > 20_000) throw new Error(`Not all workers serve:\n${server.logs().slice(-3000)}`)
  }
}
