// What the topics of the app suite share: a server with its repositories, each remote with an origin of its own
// (so that a breaker that opens in one test is no business of another), and tests that a runtime may skip with a reason.

import { afterAll, beforeAll, expect, it } from 'vitest'
import type { AppServer, RuntimeName, StartOptions } from '../../app-server.ts'
import { type Origin, startOrigin } from '../../origin.ts'
import { type OpenAnswer, openRequest, type RawAnswer, type RawRequest, rawRequest } from '../../raw-http.ts'

export interface Suite {
  readonly runtime: RuntimeName
  readonly start: (options: StartOptions) => Promise<AppServer>
  /** Title → why this runtime cannot. */
  readonly skip: Readonly<Record<string, string>>
  /** Every title, to find skips of tests that are no more. */
  readonly titles: Set<string>
}

/** A repository as in the configuration file; `base_url` is filled in. `base_path` is put after it. */
export type RepositoryYaml = Readonly<Record<string, unknown>> & { readonly base_path?: string }

export interface WorldOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly virtuals?: Readonly<Record<string, unknown>>
}

export interface World {
  readonly server: AppServer
  repo(name: string): Repo
  ask(path: string, request?: Partial<RawRequest>): Promise<RawAnswer>
  /** With the admin token; a `json` body is sent as such. */
  manage(method: string, path: string, json?: unknown): Promise<RawAnswer>
}

export interface Repo {
  readonly origin: Origin
  /** Path of the repository at the server, without trailing slash. */
  readonly base: string
  get(path: string, headers?: Record<string, string>): Promise<RawAnswer>
  head(path: string, headers?: Record<string, string>): Promise<RawAnswer>
  /** A GET whose body is taken piece by piece. */
  open(path: string, headers?: Record<string, string>): Promise<OpenAnswer>
  put(path: string, body: RawRequest['body'], headers?: Record<string, string>): Promise<RawAnswer>
  delete(path: string): Promise<RawAnswer>
}

export function testsOf(suite: Suite) {
  return (title: string, run: () => Promise<void>, timeoutMs = 30_000) => {
    suite.titles.add(title)
    const reason = suite.skip[title]
    if (reason === undefined) it(title, run, timeoutMs)
    else it.skip(`${title} (${reason})`, run)
  }
}

/** To be called in a `describe`: the world stands while its tests run. */
export function useWorld(
  suite: Suite,
  repositories: Readonly<Record<string, RepositoryYaml>>,
  options: WorldOptions = {},
): World {
  const origins = new Map<string, Origin>()
  let server: AppServer | null = null

  beforeAll(async () => {
    const remotes: Record<string, unknown> = {}
    for (const [name, { base_path = '', ...given }] of Object.entries(repositories)) {
      if (given.type !== 'local') origins.set(name, await startOrigin())
      const base_url = `${origins.get(name)?.url}${base_path}`
      remotes[name] = given.type === 'local' ? given : { type: 'remote', base_url, ...given }
    }
    const yaml = JSON.stringify({ remotes, ...(options.virtuals && { virtuals: options.virtuals }) }, null, 2)
    server = await suite.start({ yaml, env: options.env })
  })
  afterAll(async () => {
    await server?.stop()
    for (const origin of origins.values()) await origin.close()
  })

  const running = () => {
    if (server === null) throw new Error('The server is not running')
    return server
  }
  const ask = (path: string, request: Partial<RawRequest> = {}) =>
    rawRequest({ ...request, port: running().port, path })
  const admin = () => ({ authorization: `Bearer ${running().adminToken}` })

  return {
    get server() {
      return running()
    },
    repo(name) {
      const base = `/api/v1/remote/${name}`
      return {
        get origin() {
          const origin = origins.get(name)
          if (origin === undefined) throw new Error(`${name} has no origin`)
          return origin
        },
        base,
        get: (path, headers) => ask(`${base}/${path}`, { headers }),
        head: (path, headers) => ask(`${base}/${path}`, { headers, method: 'HEAD' }),
        open: (path, headers) => openRequest({ port: running().port, path: `${base}/${path}`, headers }),
        put: (path, body, headers = {}) =>
          ask(`${base}/${path}`, { method: 'PUT', body, headers: { ...admin(), ...headers } }),
        delete: path => ask(`${base}/${path}`, { method: 'DELETE', headers: admin() }),
      }
    },
    ask,
    manage: (method, path, json) =>
      ask(path, {
        method,
        headers: { ...admin(), ...(json !== undefined && { 'content-type': 'application/json' }) },
        body: json === undefined ? undefined : JSON.stringify(json),
      }),
  }
}

/** The outcome of a fetch in one word. */
export function sourceOf(answer: RawAnswer): string | null {
  return answer.headers.get('x-artifact-source')
}

export function cacheStatusOf(answer: RawAnswer | OpenAnswer): string {
  return answer.headers.get('cache-status') ?? ''
}

/** Anything but a whole, good answer: an error status, or a body that visibly broke off. */
export function expectFailure(answer: RawAnswer): void {
  const outcome = answer.end === 'aborted' ? 'aborted' : answer.status >= 500 ? 'refused' : 'served'
  expect(outcome, `status ${answer.status}, ${answer.body.byteLength} bytes, ${answer.end}`).not.toBe(
    'served',
  )
}

/** Tries until `check` passes, for what happens shortly after an answer. */
export async function eventually(check: () => Promise<void>, timeoutMs = 5_000): Promise<void> {
  for (const began = Date.now(); ; await new Promise(resolve => setTimeout(resolve, 25))) {
    try {
      return await check()
    } catch (error) {
      if (Date.now() - began > timeoutMs) throw error
    }
  }
}

export function parseJson(answer: RawAnswer): Record<string, unknown> {
  expect(answer.headers.get('content-type')).toMatch(/json/)
  return JSON.parse(answer.text) as Record<string, unknown> // the tests look at its members one by one
}

/** The value of the series that has these labels, in whatever order; 0 where there is none. */
export function metricOf(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  const series = text
    .split('\n')
    .find(line => line.startsWith(`${name}{`) && wanted.every(label => line.includes(label)))
  return Number(series?.split(' ').at(-1) ?? 0)
}

/** RFC 9457, as the management routes refuse. */
export function expectProblem(answer: RawAnswer, status: number): void {
  expect(answer.status, answer.text).toBe(status)
  expect(answer.headers.get('content-type')).toMatch(/application\/problem\+json/)
  expect(parseJson(answer).status).toBe(status)
}
