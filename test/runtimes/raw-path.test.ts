// Bun hides what a client really asked for; the routes of its server must not. Sent byte by byte over a socket.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isUnsafeTarget } from '../../runtimes/shared/unsafe-path.ts'
import { rawRequest } from '../raw-http.ts'
import { PROJECT } from '../servers.ts'

const PROGRAM = `
  import { createRawPathRoutes } from './runtimes/bun/raw-path.ts'
  const answer = request => new Response(request.method + ' ' + request.url.slice(request.url.indexOf('/', 8)))
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', routes: createRawPathRoutes(answer), fetch: answer })
  console.log(server.port)
`

const CLIMBING = [
  '/a/../b',
  '/a/./b',
  '/%2e%2e/b',
  '/a/%2E/b',
  '/a/.%2e/b',
  '/a/b/..',
  '/a/b/%2e',
  '/a\\b',
  '/a/x\\..\\y',
  '/a\\b/./c',
  '/../x',
  '/..',
  '/.',
  '/a/../b/',
  '/a/./',
  '/a/b/..?x=1',
  '/a//../b',
  '/a//b/../c',
  '/a//b/%2e%2e/',
  '/a//b//../../../c',
  'http://127.0.0.1/a/../b',
]

const HARMLESS = [
  '/',
  '/a',
  '/a/b/',
  '/a//b',
  '/a//b/',
  '/a//',
  '//a',
  '/a//b//c',
  '/?x=/y/../z',
  '/a/b?x=/../y',
  '/a/...',
  '/a/..b/.c',
  '/a/%2e%2e%2e',
  '/@s%2fn/-/n-1.0.0.tgz',
  '/a%20b/%e4%b8',
  `/${'d/'.repeat(90)}f`,
]

describe('paths under Bun', () => {
  let server: ChildProcess
  let port = 0

  beforeAll(async () => {
    const bun = join(PROJECT, 'node_modules/.bin/bun')
    server = spawn(bun, ['-e', PROGRAM], { cwd: PROJECT, stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = await once(server.stdout ?? server, 'data')
    port = Number(String(line))
  })
  afterAll(() => {
    server.kill('SIGKILL')
  })

  it.each(CLIMBING)('refuses %s', async path => {
    const answer = await rawRequest({ port, path })
    expect(answer.status).toBe(400)
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(answer.text).toContain('Cannot read path: it contains a "." or ".." segment or a backslash')
  })

  it.each(HARMLESS)('lets %s through as it is', async path => {
    const answer = await rawRequest({ port, path })
    expect(answer.status).toBe(200)
    expect(answer.text).toBe(`GET ${path}`)
  })

  it.each(['HEAD', 'PUT', 'DELETE', 'POST', 'OPTIONS', 'PROPFIND'])(
    'looks at the path of %s too',
    async method => {
      expect((await rawRequest({ port, method, path: '/a/../b' })).status).toBe(400)
      expect((await rawRequest({ port, method, path: '/a/b' })).status).toBe(200)
    },
  )

  it.each([96, 97, 98, 99, 100, 101, 127, 128, 129, 1000])(
    'refuses a path of more than %i segments',
    async count => {
      expect((await rawRequest({ port, path: `/${'d/'.repeat(count)}f` })).status).toBe(414)
      expect((await rawRequest({ port, path: `/${'d/'.repeat(count)}../f` })).status).toBe(414)
    },
  )
})

describe('request targets', () => {
  it.each(CLIMBING)('%s is unsafe', path => {
    expect(isUnsafeTarget(path)).toBe(true)
  })

  it.each([...HARMLESS, '/.well-known/terraform.json', '/a/.config/x'])('%s is safe', path => {
    expect(isUnsafeTarget(path)).toBe(false)
  })
})
