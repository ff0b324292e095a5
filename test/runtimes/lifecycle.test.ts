// How a server starts, refuses to start, and ends: the same on every runtime that has processes.

import { spawnSync } from 'node:child_process'
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AppServer, StartOptions } from '../app-server.ts'
import { type Origin, pattern, sha256Of, startOrigin } from '../origin.ts'
import { openRequest, rawRequest } from '../raw-http.ts'
import { COMMANDS, freePort, PROJECT, startServer } from '../servers.ts'

const GROUNDS = [
  { name: 'bun', runtime: 'bun', env: {} },
  { name: 'bun with node:http', runtime: 'bun', env: { HTTP_SERVER: 'node' } },
  { name: 'node', runtime: 'node', env: {} },
  { name: 'deno', runtime: 'deno', env: {} },
] as const

describe.each(GROUNDS)('a server on $name', ({ runtime, env }) => {
  let origin: Origin
  let folder: string
  const servers: AppServer[] = []

  beforeEach(async () => {
    origin = await startOrigin()
    folder = await mkdtemp(join(tmpdir(), 'artifactapi-lifecycle-'))
  })
  afterEach(async () => {
    await Promise.all(servers.splice(0).map(server => server.stop()))
    await origin.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function start(options: Partial<StartOptions> = {}): Promise<AppServer> {
    const yaml = JSON.stringify({ remotes: { files: { base_url: origin.url, package: 'generic' } } })
    const server = await startServer(runtime, { yaml, ...options, env: { ...env, ...options.env } })
    servers.push(server)
    return server
  }

  function run(command: string, dataDir: string, configPath: string) {
    const [program, ...args] = COMMANDS[runtime]
    return spawnSync(program, [...args, ...command.split(' ')], {
      cwd: PROJECT,
      encoding: 'utf8',
      env: { ...process.env, DATA_DIR: dataDir, CONFIG_PATH: configPath },
    })
  }

  it('lets a running answer end on SIGTERM, accepts no other, and exits with 0', async () => {
    const server = await start()
    const body = pattern(3_000_000)
    origin.set('/long.bin', { body })
    const hold = origin.hold('/long.bin', 1_000_000)
    const answer = await openRequest({ port: server.port, path: '/api/v1/remote/files/long.bin' })
    await answer.read(500_000)
    process.kill(server.pid(), 'SIGTERM')
    await expect.poll(() => server.logs()).toContain('Ending on SIGTERM')
    await expect(rawRequest({ port: server.port, path: '/health' })).rejects.toThrow()
    hold.release()
    const whole = await answer.finish()
    expect(whole.end).toBe('clean')
    expect(sha256Of(whole.body)).toBe(body.sha256)
    await expect.poll(() => server.logs(), { timeout: 5000 }).toContain('"msg":"Ended","code":0')
  })

  it('ends at once when only idle connections are open', async () => {
    const server = await start()
    const idle = await openRequest({
      port: server.port,
      path: '/health',
      headers: { connection: 'keep-alive' },
    })
    await idle.read(1)
    const began = performance.now()
    process.kill(server.pid(), 'SIGINT')
    await expect.poll(() => server.logs(), { timeout: 5000 }).toContain('"msg":"Ended","code":0')
    expect(performance.now() - began).toBeLessThan(3000)
  })

  it('reads its configuration again on SIGHUP', async () => {
    const server = await start()
    const path = '/api/v1/remote/later/a.bin'
    origin.set('/a.bin', { body: 'later' })
    expect((await rawRequest({ port: server.port, path })).status).toBe(404)
    const remotes = { later: { base_url: origin.url, package: 'generic' } }
    await writeFile(server.configPath, JSON.stringify({ remotes }))
    process.kill(server.pid(), 'SIGHUP')
    await expect
      .poll(async () => (await rawRequest({ port: server.port, path })).text, { timeout: 5000 })
      .toBe('later')
  })

  it('refuses a directory that another process serves, and takes over from one that was killed', async () => {
    const dataDir = join(folder, 'data')
    const first = await start({ dataDir })
    await expect(start({ dataDir })).rejects.toThrow(
      `Cannot serve from DATA_DIR ${dataDir}: process ${first.pid()} does already`,
    )
    await first.kill9()
    const second = await start({ dataDir })
    expect((await rawRequest({ port: second.port, path: '/health' })).status).toBe(200)
  })

  it('makes an admin token that only its owner can read, and shows it once', async () => {
    const server = await start({ env: { ADMIN_TOKEN: '' } })
    const path = join(server.dataDir, 'admin-token')
    const token = (await readFile(path, 'utf8')).trim()
    expect(token).toMatch(/^[\w-]{43}$/)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(server.logs()).toContain(`curl -H "Authorization: Bearer ${token}" ${server.url}/api/v2/remotes`)
    const change = { method: 'PUT', path: '/cache/flush', body: '{}' } as const
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    expect((await rawRequest({ port: server.port, ...change })).status).toBe(401)
    expect((await rawRequest({ port: server.port, ...change, headers })).status).toBe(200)
    await server.restart()
    expect(server.logs().split('The admin token was generated')).toHaveLength(2)
    expect((await rawRequest({ port: server.port, ...change, headers })).status).toBe(200)
  })

  it('says what to do when its port is taken', async () => {
    const port = await freePort()
    const other = createServer().listen(port, '127.0.0.1')
    try {
      await expect(start({ env: { LISTEN_ADDR: `127.0.0.1:${port}` } })).rejects.toThrow(
        `Cannot listen on 127.0.0.1:${port}: the port is taken. Stop what listens there, or set LISTEN_ADDR`,
      )
    } finally {
      other.close()
    }
  })

  it('says what to do when its directory is a file', async () => {
    const dataDir = join(folder, 'file')
    await writeFile(dataDir, '')
    await expect(start({ dataDir })).rejects.toThrow(
      `Cannot write to DATA_DIR ${dataDir}: it is a file. Set DATA_DIR to a directory`,
    )
  })

  it('says what to do when its database is damaged', async () => {
    const dataDir = join(folder, 'data')
    const server = await start({ dataDir })
    await server.stop()
    servers.pop()
    await writeFile(join(dataDir, 'catalog.db'), 'no database at all '.repeat(500))
    await expect(start({ dataDir })).rejects.toThrow(/catalog\.db: the file is damaged/)
  })

  it('verifies all blobs beside a running server, and names the damaged', async () => {
    const dataDir = join(folder, 'data')
    const server = await start({ dataDir })
    origin.set('/good.bin', { body: pattern(300_000, 1) })
    origin.set('/bad.bin', { body: pattern(300_000, 2) })
    for (const name of ['good', 'bad']) {
      const path = `/api/v1/remote/files/${name}.bin`
      expect((await rawRequest({ port: server.port, path })).status).toBe(200)
    }
    await expect.poll(async () => (await blobsOf(dataDir)).length).toBe(2)
    await sleep(100) // the rows are written after the blobs
    const sound = run('verify', dataDir, server.configPath)
    expect([sound.status, sound.stdout]).toEqual([0, '2 blobs, 600000 bytes read back: 0 faulty\n'])

    const { sha256 } = pattern(300_000, 2)
    await flipByte((await blobsOf(dataDir)).find(path => path.endsWith(sha256)) ?? '', 1000)
    const damaged = run('verify', dataDir, server.configPath)
    expect(damaged.status).toBe(1)
    expect(damaged.stdout).toContain(`damaged     sha256:${sha256}  files/bad.bin\n`)
    expect(damaged.stdout).toContain('2 blobs, 600000 bytes read back: 1 faulty\n')
    const again = await rawRequest({ port: server.port, path: '/api/v1/remote/files/bad.bin' })
    expect(sha256Of(again.body)).toBe(sha256)
    expect(origin.gets('/bad.bin')).toBe(2)
  })
})

async function blobsOf(dataDir: string): Promise<string[]> {
  const folder = join(dataDir, 'blobs/sha256')
  const names = await readdir(folder, { recursive: true }).catch(() => [])
  return names.filter(name => /[0-9a-f]{64}$/.test(name)).map(name => join(folder, name))
}

async function flipByte(path: string, position: number): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const byte = new Uint8Array(1)
    await file.read(byte, 0, 1, position)
    await file.write(new Uint8Array([(byte[0] ?? 0) ^ 1]), 0, 1, position)
  } finally {
    await file.close()
  }
}
