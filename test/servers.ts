// Starts the real server of a runtime as an operator would: its own process, a configuration file, environment
// variables, a fresh data directory. A server that does not come up fails the test with what it printed.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  ADMIN_TOKEN,
  type AppServer,
  type RuntimeName,
  type StartOptions,
  untilHealthy,
} from './app-server.ts'
import { startWorker } from './worker-server.ts'

export const PROJECT = dirname(dirname(fileURLToPath(import.meta.url)))
const MODULES = join(PROJECT, 'node_modules')

export const COMMANDS: Record<Exclude<RuntimeName, 'workers'>, readonly [string, ...string[]]> = {
  bun: [join(MODULES, '.bin/bun'), 'runtimes/bun/main.ts'],
  node: [join(MODULES, 'node/bin/node'), '--disable-warning=ExperimentalWarning', 'runtimes/node/main.ts'],
  deno: [
    join(MODULES, '.bin/deno'),
    'run',
    '--allow-all',
    '--no-lock',
    '--node-modules-dir=manual',
    '--quiet',
    'runtimes/deno/main.ts',
  ],
}

export async function startServer(runtime: RuntimeName, options: StartOptions): Promise<AppServer> {
  return runtime === 'workers'
    ? await startWorker(options)
    : await startProcess(COMMANDS[runtime], runtime, options)
}

/** A server that is started by any command, e.g. the compiled binary. */
export async function startProcess(
  command: readonly [string, ...string[]],
  runtime: RuntimeName,
  options: StartOptions,
): Promise<AppServer> {
  const home = await mkdtemp(join(tmpdir(), `artifactapi-${runtime}-`))
  const dataDir = options.dataDir ?? join(home, 'data')
  const configPath = join(home, 'remotes.yaml')
  await writeFile(configPath, options.yaml)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  let output = ''
  let env = environmentFor({ port, dataDir, configPath }, options.env)
  let child = await launch().catch(async error => {
    await rm(home, { recursive: true, force: true })
    throw error
  })

  async function launch(): Promise<ChildProcess> {
    const [program, ...args] = command
    const { gid } = options
    const started = spawn(program, args, { cwd: PROJECT, env, gid, stdio: ['ignore', 'pipe', 'pipe'] })
    const keep = (chunk: unknown) => {
      output += String(chunk)
    }
    started.on('error', keep)
    started.stdout?.on('data', keep)
    started.stderr?.on('data', keep)
    running.add(started)
    started.on('exit', () => running.delete(started))
    await untilHealthy(
      url,
      () => hasEnded(started),
      () => output,
    ).catch(error => {
      started.kill('SIGKILL')
      throw error
    })
    return started
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL') {
    if (hasEnded(child)) return
    const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
    child.kill(signal)
    const isLate = await Promise.race([ended.then(() => false), sleep(10_000, true, { ref: false })])
    if (!isLate) return
    child.kill('SIGKILL')
    await ended
    throw new Error(`The ${runtime} server did not end within 10 s of ${signal}:\n${output.slice(-4000)}`)
  }

  return {
    runtime,
    url,
    port,
    adminToken: ADMIN_TOKEN,
    dataDir,
    configPath,
    pid: () => child.pid ?? 0,
    logs: () => output,
    async stop() {
      try {
        await end('SIGTERM')
      } finally {
        await rm(home, { recursive: true, force: true })
      }
    },
    kill9: () => end('SIGKILL'),
    async restart(more = {}) {
      await end('SIGTERM')
      env = { ...env, ...more }
      child = await launch()
    },
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>(resolve => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number } // a TCP server has an AddressInfo
  await new Promise(resolve => probe.close(resolve))
  return port
}

interface Place {
  readonly port: number
  readonly dataDir: string
  readonly configPath: string
}

/** Nothing of the machine's own environment but what programs need to start. */
function environmentFor(place: Place, extra: StartOptions['env'] = {}): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '',
    LISTEN_ADDR: `127.0.0.1:${place.port}`,
    DATA_DIR: place.dataDir,
    CONFIG_PATH: place.configPath,
    ADMIN_TOKEN,
    LOG_LEVEL: 'info',
    ...extra,
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

// A test run that is broken off leaves no server behind.
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
