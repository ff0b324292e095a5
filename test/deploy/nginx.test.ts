// The balancer, run as it is but for the names of the replicas: what it passes on, whom it asks again, and that it
// holds nothing back in either direction.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { untilHealthy } from '../app-server.ts'
import { openRequest, rawRequest } from '../raw-http.ts'
import { freePort } from '../servers.ts'
import { hasTool } from '../tools.ts'
import { readDeploy, run } from './files.ts'

type Answer = (request: IncomingMessage, answer: ServerResponse) => void

/** Of two servers under scripts of the test; `seen` has their names in the order they were asked. */
async function openReplicas() {
  const seen: string[] = []
  const script: { first: Answer; second: Answer } = { first: fine, second: fine }
  const servers = (['first', 'second'] as const).map(name =>
    createServer((request, answer) => {
      seen.push(name)
      script[name](request, answer)
    }),
  )
  const ports = await Promise.all(
    servers.map(
      server =>
        new Promise<number>(resolve =>
          server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
        ),
    ),
  )
  return {
    seen,
    ports,
    /** Both answer so. */
    set(both: Answer) {
      script.first = both
      script.second = both
      seen.length = 0
    },
    close() {
      for (const server of servers) {
        server.closeAllConnections()
        server.close()
      }
    },
  }
}

function fine(_: IncomingMessage, answer: ServerResponse): void {
  answer.end('fine')
}

describe.skipIf(!hasTool('nginx'))('deploy/nginx.conf', () => {
  let replicas: Awaited<ReturnType<typeof openReplicas>>
  let folder: string
  let port: number
  let nginx: ChildProcess
  let output = ''

  beforeAll(async () => {
    replicas = await openReplicas()
    folder = mkdtempSync(join(tmpdir(), 'artifactapi-nginx-'))
    port = await freePort()
    const file = join(folder, 'nginx.conf')
    writeFileSync(file, here(readDeploy('nginx.conf')))
    expect(run('nginx', ['-t', '-q', '-p', folder, '-c', file])).toMatchObject({ status: 0 })
    nginx = spawn('nginx', ['-p', folder, '-c', file, '-g', 'daemon off;'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    nginx.stderr?.on('data', chunk => (output += chunk))
    await untilHealthy(
      `http://127.0.0.1:${port}`,
      () => nginx.exitCode !== null,
      () => output,
    )
  })
  afterAll(async () => {
    const ended = new Promise(resolve => nginx.on('exit', resolve))
    nginx.kill('SIGTERM')
    await ended
    replicas.close()
    rmSync(folder, { recursive: true, force: true })
  })
  beforeEach(() => {
    output = ''
    replicas.set(fine)
  })

  /** With two servers on this machine instead of a name: an older nginx has no `resolve`, and here is no such DNS. */
  function here(conf: string): string {
    const server = /^ *server artifactapi:8000 resolve (.*)$/m
    expect(conf).toMatch(server)
    return conf
      .replace(server, (_, options: string) =>
        replicas.ports
          .map(each => `    server 127.0.0.1:${each} ${options}`.replace(/max_fails=\d+/, 'max_fails=0'))
          .join('\n'),
      )
      .replace(/^ *resolver .*$/m, '')
      .replace('listen 8080', `listen 127.0.0.1:${port}`)
      .replace('worker_processes auto', 'worker_processes 1')
      .replaceAll(/ \/tmp\//g, ` ${folder}/`)
  }

  it('asks one replica after the other', async () => {
    for (let each = 0; each < 4; each++) await rawRequest({ port, path: '/x' })
    const [one, two] = replicas.seen
    expect(replicas.seen).toEqual([one, two, one, two])
    expect(one).not.toBe(two)
  })

  it('passes the path on byte by byte', async () => {
    let path = ''
    replicas.set((request, answer) => {
      path = request.url ?? ''
      answer.end()
    })
    const odd = '/api/v1/remote/npm/@s%2fx//a%20b/./c+d?q=%7E&r='
    await rawRequest({ port, path: odd })
    expect(path).toBe(odd)
  })

  it('tells who asked for what', async () => {
    let headers: IncomingMessage['headers'] = {}
    replicas.set((request, answer) => {
      headers = request.headers
      answer.end()
    })
    await rawRequest({ port, path: '/', headers: { host: 'a.example:81', 'x-forwarded-proto': 'https' } })
    expect(headers).toMatchObject({
      host: 'a.example:81',
      'x-real-ip': '127.0.0.1',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': 'a.example:81',
      'x-forwarded-proto': 'https',
    })
    await rawRequest({ port, path: '/' })
    expect(headers['x-forwarded-proto']).toBe('http')
  })

  it('keeps its connections to the replicas', async () => {
    const ports = new Set<number | undefined>()
    replicas.set((request, answer) => {
      ports.add(request.socket.remotePort)
      answer.end('fine')
    })
    for (let each = 0; each < 8; each++) await rawRequest({ port, path: '/x' })
    expect(replicas.seen).toHaveLength(8)
    expect(ports.size).toBeLessThanOrEqual(2)
  })

  function breakOffOnce(): Answer {
    let isFirst = true
    return (request, answer) => {
      if (isFirst) request.socket.destroy()
      else answer.end('fine')
      isFirst = false
    }
  }

  it.each(['GET', 'HEAD'])('has another replica answer a %s that one broke off', async method => {
    replicas.set(breakOffOnce())
    const { status } = await rawRequest({ port, path: '/x', method })
    expect([status, new Set(replicas.seen).size]).toEqual([200, 2])
  })

  it('never sends a POST twice', async () => {
    replicas.set(breakOffOnce())
    const { status } = await rawRequest({
      port,
      path: '/x',
      method: 'POST',
      body: '{}',
      headers: { 'content-length': '2' },
    })
    expect([status, replicas.seen.length]).toEqual([502, 1])
  })

  it.each([500, 502, 503, 504])('passes a %i on as an answer, and asks nobody else', async status => {
    replicas.set((_, answer) => answer.writeHead(status, { 'retry-after': '7' }).end('origin'))
    const answer = await rawRequest({ port, path: '/x' })
    expect([answer.status, answer.text, answer.headers.get('retry-after')]).toEqual([status, 'origin', '7'])
    expect(replicas.seen).toHaveLength(1)
  })

  it('passes the first bytes of an answer on while the rest is not there', async () => {
    const waiting: ServerResponse[] = []
    replicas.set((_, answer) => {
      waiting.push(answer)
      answer.writeHead(200, { 'content-length': '10' }).write('first')
    })
    const answer = await openRequest({ port, path: '/x' })
    expect(new TextDecoder().decode(await answer.read(5))).toBe('first')
    waiting[0]?.end('after')
    expect(await answer.finish()).toMatchObject({ text: 'firstafter', end: 'clean' })
  })

  it('passes the first bytes of an upload on while the rest is not there', async () => {
    const first = Promise.withResolvers<string>()
    replicas.set((request, answer) => {
      request.once('data', chunk => first.resolve(String(chunk)))
      request.on('end', () => answer.end('kept'))
    })
    const socket = connect(port, '127.0.0.1')
    socket.write('PUT /x HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nfirst')
    expect(await first.promise).toBe('first')
    const answered = new Promise<string>(resolve => socket.once('data', chunk => resolve(String(chunk))))
    socket.write('after')
    expect(await answered).toContain('200 OK')
    socket.destroy()
  })

  it('takes uploads of any size', async () => {
    replicas.set((request, answer) => {
      let size = 0
      request.on('data', chunk => (size += chunk.length))
      request.on('end', () => answer.end(String(size)))
    })
    const size = 20_000_000
    const answer = await rawRequest({
      port,
      path: '/x',
      method: 'PUT',
      body: new Uint8Array(size),
      headers: { 'content-length': String(size) },
    })
    expect([answer.status, answer.text]).toEqual([200, String(size)])
  })

  it.each([
    ['a length', { 'content-length': '100' }],
    ['chunks', {}],
  ])('breaks a body of %s off where the replica did', async (_, headers) => {
    replicas.set((_, answer) => {
      answer.writeHead(200, headers).write('part')
      setTimeout(() => answer.destroy(), 50)
    })
    const answer = await rawRequest({ port, path: '/x' })
    expect([answer.text, answer.end]).toEqual(['part', 'aborted'])
    expect(replicas.seen).toHaveLength(1)
  })

  it('takes URLs and answers headers of 16 KB and more', async () => {
    replicas.set((request, answer) =>
      answer.writeHead(200, { 'x-long': 'y'.repeat(40_000) }).end(String(request.url?.length)),
    )
    const answer = await rawRequest({ port, path: `/${'x'.repeat(12_000)}` })
    expect([answer.text, answer.headers.get('x-long')?.length]).toEqual(['12001', 40_000])
    expect(output).toBe('')
  })
})
