// How tests call code inside workerd: one bundle made by Bun, one miniflare, started in `beforeAll`.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Miniflare, type MiniflareOptions } from 'miniflare'
import { Problem } from '../src/model/problem.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

export interface WorkerdPorts {
  /** Calls a method of a port inside the Worker; a Problem thrown there is thrown here. */
  call<Result>(port: string, method: string, ...args: unknown[]): Promise<Result>
  stop(): Promise<void>
}

/** The drivers of the Worker, each with its own empty D1, KV and Durable Objects. */
export async function startWorkerdPorts(): Promise<WorkerdPorts> {
  const worker = await startWorkerd('test/workerd-ports.mjs', {
    d1Databases: ['DB'],
    kvNamespaces: ['VALUES'],
    durableObjects: { LEASES: { className: 'LeaseObject', useSQLite: true } },
  })

  async function call<Result>(port: string, method: string, ...args: unknown[]): Promise<Result> {
    const response = await worker.dispatchFetch(`http://worker/${port}/${method}`, {
      method: 'POST',
      body: JSON.stringify(args),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`Worker answered ${response.status}: ${text.slice(0, 500)}`)
    const { result, problem } = JSON.parse(text)
    if (problem !== undefined) throw new Problem(problem.code, problem.message, problem.detail)
    return result
  }

  return { call, stop: () => worker.dispose() }
}

export interface WorkerOptions {
  /** As in the configuration file. */
  readonly remotes: object
  readonly env?: Readonly<Record<string, string>>
  /** URL of a Postgres server. */
  readonly hyperdrive?: string
  /** `DB`, `VALUES`. */
  readonly without?: readonly string[]
}

/** The Worker, or one that has it, with empty stores and everything that wrangler.toml binds. */
export function startWorker(
  entry: string,
  { remotes, env, hyperdrive, without = [] }: WorkerOptions,
): Promise<Miniflare> {
  const bound = (name: string) => (without.includes(name) ? [] : [name])
  return startWorkerd(entry, {
    bindings: { LOG_LEVEL: 'error', ...env, REMOTES_YAML: JSON.stringify({ remotes }) },
    r2Buckets: ['BLOBS'],
    d1Databases: bound('DB'),
    kvNamespaces: bound('VALUES'),
    hyperdrives: hyperdrive === undefined ? {} : { HYPERDRIVE: hyperdrive },
    durableObjects: {
      FLIGHTS: { className: 'FlightObject', useSQLite: true },
      LEASES: { className: 'LeaseObject', useSQLite: true },
    },
  })
}

/** Any module of the project as a Worker, with these bindings. */
export async function startWorkerd(entry: string, bindings: Partial<MiniflareOptions>): Promise<Miniflare> {
  const script = bundle(entry)
  const worker = new Miniflare({
    modules: true,
    compatibilityDate: '2026-04-01',
    compatibilityFlags: ['nodejs_compat'],
    ...bindings,
    script,
  } as MiniflareOptions)
  await worker.ready
  return worker
}

function bundle(entry: string): string {
  const external = ['cloudflare:*', 'node:*'].flatMap(name => ['--external', name])
  const args = ['build', entry, '--target=browser', '--format=esm', '--conditions=workerd', ...external]
  return execFileSync(`${root}node_modules/.bin/bun`, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
