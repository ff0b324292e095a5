// Clients that go on asking while something is broken: for objects that are kept, for new ones, and with uploads.
// Every answer is looked at: what claims to be whole must be right to the last byte.

import { setTimeout as sleep } from 'node:timers/promises'
import { ADMIN_TOKEN } from '../app-server.ts'
import { type Body, type Origin, pattern, sha256Of } from '../origin.ts'
import { type RawAnswer, rawRequest } from '../raw-http.ts'

export interface Asked {
  readonly what: 'hit' | 'miss' | 'upload'
  readonly path: string
  readonly outcome: 'right' | 'refused' | 'broken off' | 'wrong'
  readonly status: number
  readonly at: number
  readonly ms: number
}

export interface Load {
  /** Everything so far. */
  readonly asked: readonly Asked[]
  /** Uploads that were acknowledged, by path. */
  readonly uploaded: ReadonlyMap<string, Body>
  /** Ends all clients, and waits for them. */
  rest(): Promise<void>
}

export interface LoadOptions {
  readonly ports: readonly number[]
  readonly origin: Origin
  /** Names of the repositories: a remote of `origin`, and a local one. */
  readonly remote: string
  readonly local: string
  readonly clients?: number
  /** Bytes of each object. */
  readonly bytes?: number
}

const KEPT = 8
/** Each load has names of its own. */
let loads = 0

/** Resolves once the objects that count as hits have been asked for everywhere. */
export async function startLoad(options: LoadOptions): Promise<Load> {
  const { ports, origin, remote, local, clients = 6, bytes = 150_000 } = options
  const asked: Asked[] = []
  const uploaded = new Map<string, Body>()
  const name = (loads++).toString()
  let count = 0
  let isOver = false

  const kept = Array.from({ length: KEPT }, (_, i) => ({
    path: `/kept-${name}-${i}.bin`,
    body: pattern(bytes, 900 + i),
  }))
  for (const { path, body } of kept) {
    origin.set(path, { body, etag: `"${path}"` })
    for (const port of ports) await get(port, `/api/v1/remote/${remote}${path}`, body)
    for (const port of ports) await get(port, `/api/v1/remote/${remote}${path}`, body)
  }

  async function get(port: number, path: string, body: Body) {
    const answer = await attempt({ port, path })
    return { outcome: outcomeOf(answer, body), status: answer?.status ?? 0 }
  }

  async function ask(): Promise<void> {
    const number = count++
    const port = ports[number % ports.length] ?? 0
    const startedAt = performance.now()
    const note = (what: Asked['what'], path: string, found: Pick<Asked, 'outcome' | 'status'>) => {
      asked.push({ what, path, ...found, at: Date.now(), ms: Math.round(performance.now() - startedAt) })
    }
    if (number % 4 === 1) {
      const body = pattern(bytes + number, number + 1_000 * loads)
      const path = `/new-${name}-${number}.bin`
      origin.set(path, { body, etag: `"n${number}"` })
      note('miss', path, await get(port, `/api/v1/remote/${remote}${path}`, body))
    } else if (number % 4 === 3) {
      const body = pattern(bytes + number, number + 1_000 * loads)
      const path = `/up-${name}-${number}.bin`
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-length': String(body.size) }
      const request = {
        port,
        path: `/api/v1/remote/${local}${path}`,
        method: 'PUT',
        headers,
        body: body.slice(),
      }
      const answer = await attempt(request)
      if (answer?.status === 201) uploaded.set(path, body)
      note('upload', path, {
        outcome: answer?.status === 201 ? 'right' : 'refused',
        status: answer?.status ?? 0,
      })
    } else {
      const { path, body } = kept[number % KEPT] ?? { path: '', body: pattern(0) }
      note('hit', path, await get(port, `/api/v1/remote/${remote}${path}`, body))
    }
  }

  async function client(): Promise<void> {
    while (!isOver) {
      await ask()
      await sleep(5)
    }
  }

  const running = Array.from({ length: clients }, client)
  return {
    asked,
    uploaded,
    async rest() {
      isOver = true
      await Promise.all(running)
    },
  }
}

/** Null when no answer came at all. */
async function attempt(request: Parameters<typeof rawRequest>[0]): Promise<RawAnswer | null> {
  return await rawRequest({ timeoutMs: 30_000, ...request }).catch(() => null)
}

function outcomeOf(answer: RawAnswer | null, body: Body): Asked['outcome'] {
  if (answer === null || answer.end === 'aborted') return 'broken off'
  if (answer.status !== 200) return 'refused'
  return answer.body.byteLength === body.size && sha256Of(answer.body) === body.sha256 ? 'right' : 'wrong'
}

/** What went otherwise than right, in short. */
export function tally(asked: readonly Asked[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { what, outcome } of asked) {
    const name = `${what} ${outcome}`
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

/** Milliseconds that the slowest request of each kind took. */
export function slowest(asked: readonly Asked[]): Record<string, number> {
  const most: Record<string, number> = {}
  for (const { what, ms } of asked) most[what] = Math.max(most[what] ?? 0, ms)
  return most
}
