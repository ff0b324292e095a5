// The Worker on this machine: bundled by Bun, run by workerd with every binding of wrangler.toml, data in a
// directory. Tests start it as a function; `npm run dev:worker` starts it as a program.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Miniflare } from 'miniflare'

export interface WorkerdOptions {
  /** Text of remotes.yaml; empty = the starter set. */
  readonly yaml: string
  /** Variables and secrets. */
  readonly env: Readonly<Record<string, string>>
  /** 0 = any free one. */
  readonly port?: number
  /** Where R2, D1, KV and Durable Objects keep their data; absent = nowhere. */
  readonly dataDir?: string
}

export interface Workerd {
  readonly url: string
  stop(): Promise<void>
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const DEVELOPMENT_PORT = 8787
/** Variables of the shell that the Worker gets. */
const HANDED_ON =
  /^(ADMIN_TOKEN|PUBLIC_URL|LOG_LEVEL|ANONYMOUS_READ|CACHE_MAX_SIZE|DB[A-Z]+|REDIS_(URL|TOKEN)|MAINTENANCE_CALLS)$/

export async function startWorkerd({ yaml, env, port = 0, dataDir }: WorkerdOptions): Promise<Workerd> {
  const worker = new Miniflare({
    modules: [{ type: 'ESModule', path: 'main.js', contents: bundle() }],
    compatibilityDate: '2026-04-01',
    compatibilityFlags: ['nodejs_compat'],
    host: '127.0.0.1',
    port,
    bindings: { ...env, REMOTES_YAML: yaml },
    r2Buckets: ['BLOBS'],
    d1Databases: ['DB'],
    kvNamespaces: ['VALUES'],
    durableObjects: {
      FLIGHTS: { className: 'FlightObject', useSQLite: true },
      LEASES: { className: 'LeaseObject', useSQLite: true },
    },
    defaultPersistRoot: dataDir,
  })
  const url = await worker.ready
  return { url: url.href.replace(/\/$/, ''), stop: () => worker.dispose() }
}

function bundle(): string {
  const external = ['cloudflare:*', 'node:*'].flatMap(name => ['--external', name])
  const entry = `${root}runtimes/workers/main.ts`
  const args = ['build', entry, '--target=browser', '--format=esm', '--conditions=workerd', ...external]
  return execFileSync(`${root}node_modules/.bin/bun`, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function develop(): Promise<void> {
  const { CONFIG_PATH = 'remotes.yaml', ADMIN_TOKEN } = process.env
  const path = resolve(root, CONFIG_PATH)
  const isThere = existsSync(path)
  const chosen = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && HANDED_ON.test(name) ? [[name, value] as const] : [],
  )
  const worker = await startWorkerd({
    yaml: isThere ? readFileSync(path, 'utf8') : '',
    env: Object.fromEntries(chosen),
    port: DEVELOPMENT_PORT,
    dataDir: resolve(root, 'data/workers'),
  })
  console.log(
    `artifactapi in workerd serves ${worker.url}, repositories of ${isThere ? path : 'the starter set'}`,
  )
  if (ADMIN_TOKEN === undefined) console.log('ADMIN_TOKEN is not set: writing and managing are refused')
  const leave = () => void worker.stop().then(() => process.exit(0))
  process.on('SIGINT', leave)
  process.on('SIGTERM', leave)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  develop().catch(error => {
    console.error(`Cannot start the Worker: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(1)
  })
}
