// The image: what its Dockerfile says, read line by line, and what it promises of the binary, tried: it runs with no
// more than the C library beside it, as a number without a name, and writes to /data alone.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { untilHealthy } from '../app-server.ts'
import { pattern, startOrigin } from '../origin.ts'
import { rawRequest } from '../raw-http.ts'
import { freePort, PROJECT } from '../servers.ts'
import { hasCondition } from '../tools.ts'
import { readDeploy, run, version } from './files.ts'

interface Instruction {
  readonly word: string
  readonly rest: string
}

function parse(text: string): Instruction[] {
  return text
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter(line => line.trim() !== '' && !line.startsWith('#'))
    .map(line => {
      const [, word = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
      expect([line, word]).not.toEqual([line, ''])
      return { word, rest }
    })
}

describe('deploy/Dockerfile', () => {
  const instructions = parse(readDeploy('Dockerfile'))
  const starts = instructions.flatMap(({ word }, at) => (word === 'FROM' ? [at] : []))
  const [first = 0, last = 0] = starts
  const build = instructions.slice(first, last)
  const image = instructions.slice(last)
  const only = (word: string) => {
    const found = image.filter(each => each.word === word)
    expect([word, found.length]).toEqual([word, 1])
    return found[0]!.rest
  }

  it('has two stages, on images of a version', () => {
    const args = instructions.slice(0, first).map(({ rest }) => rest.split('=') as [string, string])
    const bases = starts.map(at => instructions[at]!.rest)
    expect(bases).toEqual([`\${BUILD_IMAGE} AS build`, `\${RUNTIME_IMAGE}`])
    for (const [, base] of args) expect(base).toMatch(/^[\w./-]+:(?!latest$)[\w.-]+$/)
    expect(args.map(([name]) => name)).toEqual(['BUILD_IMAGE', 'RUNTIME_IMAGE'])
  })

  it('copies only what is in the checkout, and nothing that .dockerignore keeps out', () => {
    const ignored = readFileSync(join(PROJECT, '.dockerignore'), 'utf8').split('\n')
    expect(ignored).toContain('*')
    const copied = build
      .filter(({ word }) => word === 'COPY')
      .flatMap(({ rest }) => rest.split(/\s+/).slice(0, -1))
    expect(copied).toEqual(['package.json', 'package-lock.json', 'scripts', 'runtimes', 'src'])
    for (const path of copied) {
      expect([path, existsSync(join(PROJECT, path))]).toEqual([path, true])
      expect([path, ignored.some(line => line.replace(/\/\*.*$/, '') === `!${path}`)]).toEqual([path, true])
    }
  })

  it('takes the binary and an empty folder from the first stage, and nothing else', () => {
    const copies = image.filter(({ word }) => word === 'COPY' || word === 'ADD').map(({ rest }) => rest)
    expect(copies).toEqual([
      '--from=build --chown=65532:65532 /empty /data',
      '--from=build --chown=0:0 --chmod=0755 /build/dist/artifactapi /usr/local/bin/artifactapi',
    ])
    expect(image.filter(({ word }) => word === 'RUN')).toEqual([])
  })

  it('runs as a number that is not root', () => {
    expect(only('USER')).toMatch(/^[1-9]\d+:[1-9]\d+$/)
  })

  it('says where the data is, which ports there are and how it ends', () => {
    expect(only('ENV')).toBe('DATA_DIR=/data')
    expect(only('VOLUME')).toBe('/data')
    expect(only('EXPOSE')).toBe('8000 8001')
    expect(only('STOPSIGNAL')).toBe('SIGTERM')
    expect(JSON.parse(only('ENTRYPOINT'))).toEqual(['/usr/local/bin/artifactapi'])
  })

  it('asks the binary itself for its health, which takes less time than it is given', () => {
    const [, timeout, command = ''] = /--timeout=(\d+)s .*CMD (.*)$/.exec(only('HEALTHCHECK')) ?? []
    expect(JSON.parse(command)).toEqual(['/usr/local/bin/artifactapi', 'health'])
    expect(Number(timeout)).toBeGreaterThan(3)
  })

  it('carries labels of this version, and no secret', () => {
    const label = only('LABEL')
    for (const name of ['title', 'description', 'licenses', 'version', 'revision'])
      expect(label).toContain(`org.opencontainers.image.${name}=`)
    expect(image).toContainEqual({ word: 'ARG', rest: `VERSION=${version}` })
    const words = instructions.filter(({ word }) => word === 'ARG' || word === 'ENV').map(({ rest }) => rest)
    expect(words.filter(rest => /token|pass|secret|key/i.test(rest))).toEqual([])
  })
})

// Only root may make a root of its own.
const mayMount = spawnSync('unshare', ['--mount', 'true']).status === 0
const isReady = hasCondition('the right to change the root of a process', mayMount)

describe.skipIf(!isReady)('the binary with the C library alone (needs root)', () => {
  let folder: string
  let binary: string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'artifactapi-image-'))
    binary = join(folder, 'artifactapi')
    const built = spawnSync(process.execPath, [join(PROJECT, 'scripts/build.mjs'), `--outfile=${binary}`], {
      encoding: 'utf8',
    })
    expect([built.status, built.stderr]).toEqual([0, ''])
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** Starts it as a container would: a root without anything to spare, read-only but /data, no rights, no name. */
  function start(port: number) {
    const root = join(folder, `root-${port}`)
    const script = join(folder, 'contain.sh')
    writeFileSync(script, CONTAIN)
    const child = spawn('unshare', ['--mount', 'sh', script, root, binary], {
      env: { PATH: process.env.PATH, LISTEN_ADDR: `127.0.0.1:${port}`, DATA_DIR: '/data' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.on('data', chunk => (output += chunk))
    child.stderr.on('data', chunk => (output += chunk))
    const ended = new Promise<number | null>(resolve => child.on('exit', resolve))
    return { child, ended, root, output: () => output }
  }

  it('serves, is found well, resolves names, and ends on SIGTERM', async () => {
    const port = await freePort()
    const origin = await startOrigin()
    const { child, ended, root, output } = start(port)
    try {
      await untilHealthy(`http://127.0.0.1:${port}`, () => child.exitCode !== null, output)
      const status = run('cat', [`/proc/${child.pid}/status`]).out
      expect(status).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m)
      expect(status).toMatch(/^CapEff:\t0+$/m)
      expect(status).toMatch(/^NoNewPrivs:\t1$/m)
      // Its own root, as the process sees it, holds what the image holds.
      const inside = `/proc/${child.pid}/root`
      expect(run('touch', [`${inside}/x`]).error).toContain('Read-only file system')
      expect(
        run('ls', [`${inside}/lib/x86_64-linux-gnu`])
          .out.trim()
          .split('\n'),
      ).toHaveLength(4)
      const token = run('cat', [join(inside, 'data/admin-token')]).out.trim()
      const body = pattern(300_000)
      origin.set('/a.bin', { body })
      const made = await fetch(`http://127.0.0.1:${port}/api/v2/remotes`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          name: 'own',
          package: 'generic',
          base_url: `http://origin.test:${origin.port}`,
        }),
      })
      expect([made.status, await made.text()]).toEqual([201, expect.any(String)])
      for (const source of ['remote', 'cache']) {
        const answer = await rawRequest({ port, path: '/api/v1/remote/own/a.bin' })
        expect([answer.status, answer.body.byteLength]).toEqual([200, 300_000])
        expect(answer.headers.get('x-artifact-source')).toBe(source)
      }
      const asked = run('nsenter', [
        `--mount=/proc/${child.pid}/ns/mnt`,
        ...['env', '-i', `LISTEN_ADDR=127.0.0.1:${port}`],
        ...['/usr/sbin/chroot', '--userspec=65532:65532', root, '/usr/local/bin/artifactapi', 'health'],
      ])
      expect(asked).toEqual({ status: 0, out: `http://127.0.0.1:${port}/health answers 200\n`, error: '' })
    } finally {
      child.kill('SIGTERM')
      const code = await ended
      await origin.close()
      expect([code, output()]).toEqual([0, expect.stringContaining('"msg":"Ended","code":0')])
    }
  })
})

const CONTAIN = `set -e
root=$1; binary=$2
mkdir -p "$root"
mount -t tmpfs -o mode=0755 tmpfs "$root"
mkdir -p "$root/proc" "$root/lib/x86_64-linux-gnu" "$root/lib64" "$root/usr/local/bin" "$root/etc" "$root/app" "$root/data"
for library in libc.so.6 libpthread.so.0 libdl.so.2 libm.so.6; do
  cp -L "/lib/x86_64-linux-gnu/$library" "$root/lib/x86_64-linux-gnu/"
done
cp -L /lib64/ld-linux-x86-64.so.2 "$root/lib64/"
printf '127.0.0.1 localhost origin.test\\n' >"$root/etc/hosts"
cp "$binary" "$root/usr/local/bin/artifactapi"
mount -t proc proc "$root/proc"
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 tmpfs "$root/data"
mount -o remount,ro "$root"
cd "$root"
exec setpriv --no-new-privs env -i LISTEN_ADDR="$LISTEN_ADDR" DATA_DIR="$DATA_DIR" \\
  /usr/sbin/chroot --userspec=65532:65532 "$root" /usr/local/bin/artifactapi
`
