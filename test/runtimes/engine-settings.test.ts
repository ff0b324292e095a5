// What Bun must be told before it starts: how many requests may fly (streaming bodies count), and how far its heap may grow.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const bun = join(root, 'node_modules/.bin/bun')

const SCRIPT = `
  import { applyEngineSettings } from ${JSON.stringify(join(root, 'runtimes/bun/engine-settings.ts'))}
  import { createServer } from 'node:net'
  applyEngineSettings()
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', head => {
      const isStall = head.toString().startsWith('GET /stall')
      socket.write('HTTP/1.1 200 OK\\r\\ncontent-length: ' + (isStall ? 100 : 2) + '\\r\\n\\r\\nok')
    })
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const base = 'http://127.0.0.1:' + server.address().port
  const late = ms => new Promise(resolve => setTimeout(resolve, ms, 'blocked'))
  await Promise.all(Array.from({ length: 300 }, () => Promise.race([fetch(base + '/stall'), late(1000)])))
  const next = await Promise.race([fetch(base + '/next').then(answer => answer.text()), late(1000)])
  console.log(JSON.stringify({ next, heap: process.env.BUN_JSC_forceRAMSize, args: process.argv.slice(2) }))
  process.exit(0)
`

describe('applyEngineSettings()', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'artifactapi-'))
    writeFileSync(join(folder, 'main.ts'), SCRIPT)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  function run(command: string, args: string[], limit?: string) {
    const { BUN_CONFIG_MAX_HTTP_REQUESTS: _, BUN_JSC_forceRAMSize: __, ...env } = process.env
    const set = limit === undefined ? {} : { BUN_CONFIG_MAX_HTTP_REQUESTS: limit }
    const out = execFileSync(command, args, { cwd: folder, env: { ...env, ...set }, encoding: 'utf8' })
    return JSON.parse(out)
  }

  it('lets a request through beside 300 stalled ones, and keeps the arguments', () => {
    expect(run(bun, ['main.ts', 'a b', '--c=1'])).toEqual({
      next: 'ok',
      heap: '1073741824',
      args: ['a b', '--c=1'],
    })
  })

  it('leaves a limit alone that the operator set', () => {
    expect(run(bun, ['main.ts'], '256')).toEqual({ next: 'blocked', heap: '1073741824', args: [] })
  })

  it('does the same in a compiled binary', () => {
    execFileSync(bun, ['build', '--compile', '--outfile', 'binary', 'main.ts'], {
      cwd: folder,
      stdio: 'ignore',
    })
    expect(run(join(folder, 'binary'), ['a b', '--c=1'])).toEqual({
      next: 'ok',
      heap: '1073741824',
      args: ['a b', '--c=1'],
    })
  })
})
