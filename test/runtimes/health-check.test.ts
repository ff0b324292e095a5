// The health command: good is one answer, 200 in time; everything else is bad, and comes to an end.

import { spawnSync } from 'node:child_process'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { checkHealth, healthUrl } from '../../runtimes/shared/health-check.ts'
import { COMMANDS, freePort, PROJECT, startServer } from '../servers.ts'

const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function serverThat(answers: RequestListener): Promise<string> {
  const server = createServer(answers)
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('checkHealth', () => {
  it('is good when the server answers 200', async () => {
    const url = await serverThat((request, answer) =>
      answer.writeHead(request.url === '/health' ? 200 : 404).end(),
    )
    expect(await checkHealth(`${url}/health`)).toEqual({ isGood: true, line: `${url}/health answers 200` })
  })

  it('is bad at any other status, redirects included', async () => {
    for (const status of [204, 301, 404, 503]) {
      const url = await serverThat((_, answer) => answer.writeHead(status, { location: '/x' }).end())
      expect(await checkHealth(url)).toEqual({ isGood: false, line: `${url} answers ${status}` })
    }
  })

  it('does not wait for a body', async () => {
    const url = await serverThat((_, answer) => answer.writeHead(200).write('{'))
    expect(await checkHealth(url, 1000)).toMatchObject({ isGood: true })
  })

  it('is bad when there is no answer in time', async () => {
    const url = await serverThat(() => {})
    const startedAt = performance.now()
    expect(await checkHealth(url, 150)).toEqual({
      isGood: false,
      line: `Cannot ask ${url}: no answer within 0.15 s`,
    })
    expect(performance.now() - startedAt).toBeLessThan(1000)
  })

  it('is bad when nobody listens', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    const verdict = await checkHealth(url)
    expect(verdict.isGood).toBe(false)
    expect(verdict.line).toContain(`Cannot ask ${url}: `)
  })
})

describe('healthUrl', () => {
  it.each([
    [null, 'http://127.0.0.1:8000/health'],
    ['0.0.0.0', 'http://127.0.0.1:8000/health'],
    ['::', 'http://[::1]:8000/health'],
    ['10.0.0.7', 'http://10.0.0.7:8000/health'],
    ['fd00::7', 'http://[fd00::7]:8000/health'],
  ])('finds a server that listens on %s', (host, url) => {
    expect(healthUrl({ host, port: 8000 })).toBe(url)
  })

  it('says what to do where the port is any free one', () => {
    expect(() => healthUrl({ host: null, port: 0 })).toThrow('Give its URL')
  })
})

describe.each(['bun', 'node', 'deno'] as const)('artifactapi health on %s', runtime => {
  function health(port: number) {
    const [program, ...args] = COMMANDS[runtime]
    const env = { ...process.env, LISTEN_ADDR: `127.0.0.1:${port}` }
    return spawnSync(program, [...args, 'health'], { cwd: PROJECT, encoding: 'utf8', env })
  }

  it('exits with 0 beside a server, and with 1 without one', async () => {
    const server = await startServer(runtime, { yaml: 'remotes: {}' })
    const beside = health(server.port)
    await server.stop()
    expect([beside.status, beside.stdout, beside.stderr]).toEqual([
      0,
      `http://127.0.0.1:${server.port}/health answers 200\n`,
      '',
    ])
    const without = health(server.port)
    expect([without.status, without.stdout]).toEqual([1, ''])
    expect(without.stderr).toContain(`Cannot ask http://127.0.0.1:${server.port}/health: `)
  })
})
