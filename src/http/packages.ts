// The front door of repositories: reads what is asked, has it answered by the repository, and sends it.

import { parsePath } from '../model/path.ts'
import { Problem, toProblem } from '../model/problem.ts'
import type { Change } from '../model/target.ts'
import { refusedBy } from '../repositories/refusals.ts'
import type { Repositories } from '../repositories/repositories.ts'
import { type CacheOutcome, isChange, type Outcome, type Repository } from '../repositories/repository.ts'
import { watched } from '../streams/watched.ts'
import type { Auth } from './auth.ts'
import type { HotPath } from './hot-path.ts'
import type { Exchange, Journal } from './journal.ts'
import { landBriefly } from './miss-wait.ts'
import { problemText } from './problems.ts'
import { redirectTo } from './redirect.ts'
import type { PackagePlace } from './requests.ts'
import { createResponder } from './respond.ts'

export interface PackageDoor {
  handle(request: Request, place: PackagePlace, exchange: Exchange, rawTarget: string): Promise<Response>
}

export interface PackageDoorParts {
  readonly repositories: Repositories
  readonly auth: Auth
  readonly journal: Journal
  readonly hot: HotPath
}

interface Call {
  readonly request: Request
  readonly exchange: Exchange
  readonly rawTarget: string
  readonly repository: Repository
}

export function createPackageDoor({ repositories, auth, journal, hot }: PackageDoorParts): PackageDoor {
  const { services } = repositories
  const responder = createResponder(services)

  async function handle(
    request: Request,
    place: PackagePlace,
    exchange: Exchange,
    rawTarget: string,
  ): Promise<Response> {
    let repository: Repository | null = null
    try {
      checkMethod(request, null)
      if (request.method === 'GET' || request.method === 'HEAD') auth.requireReader(request)
      else auth.requireAdmin(request)
      await repositories.directory.ready()
      repository = openAt(place)
      checkMethod(request, repository)
      const path = parsePath(place.rawPath)
      const meaning = repository.format.parse({ method: methodOf(request), path, query: place.query })
      if (meaning === null)
        throw new Problem(
          'not-found',
          `Not found: ${path.canonical} is no path of a ${repository.format.name} repository`,
        )
      const call = { request, exchange, rawTarget, repository }
      if (isChange(meaning)) return await change(call, meaning)
      return await send(call, await repository.read(meaning, request.method === 'HEAD'))
    } catch (error) {
      const problem = toProblem(error, 'internal', 'Cannot answer')
      const outcome = { kind: 'refused', how: problem.status < 500 ? 'denied' : 'negative', problem } as const
      return refuse(request, exchange, repository, outcome)
    }
  }

  function openAt(place: PackagePlace): Repository {
    const name = parsePath(place.repository).canonical
    const repository = repositories.open(name)
    const isVirtual = repository.settings.kind === 'virtual'
    if (place.surface === 'virtual' && !isVirtual)
      throw new Problem(
        'not-found',
        `There is no virtual repository "${name}"; it is at /api/v1/remote/${name}/`,
      )
    return repository
  }

  async function send(call: Call, outcome: Outcome): Promise<Response> {
    const { request, exchange, repository } = call
    if (outcome.kind === 'refused') return refuse(request, exchange, repository, outcome)
    if (outcome.kind === 'flying') return sendFlying(call, outcome)
    if (outcome.kind === 'stored' && repository.settings.redirects) {
      const elsewhere = await redirectTo(services, repository.settings, request, outcome)
      if (elsewhere !== null) {
        note(call, outcome.how, elsewhere.status, 0)
        return elsewhere
      }
    }
    const { response, bytes } =
      outcome.kind === 'stored' ? responder.stored(request, outcome) : responder.told(request, outcome)
    note(call, outcome.how, response.status, bytes ?? 0)
    if (outcome.kind === 'stored' && outcome.how === 'hit' && response.status === 200)
      rememberHot(call, outcome)
    return response
  }

  async function sendFlying(call: Call, outcome: Extract<Outcome, { kind: 'flying' }>): Promise<Response> {
    const { request, exchange, repository } = call
    const { flight, how, head } = outcome
    const waitMs =
      services.delivery.streamsKeepLength || request.method === 'HEAD' ? 0 : services.options.missWaitMs
    const landed = await landBriefly(flight, head.size, waitMs, services.clock)
    if (landed !== null) return sendKept(call, how, landed)
    let status = 200
    const answer = responder.flying(request, outcome, body =>
      watched(body, ({ bytes, isCut }) => {
        journal.package(exchange, { ...labelsOf(repository), outcome: how, status, bytes, isCut })
      }),
    )
    if (answer === null) return sendKept(call, how, await flight.done)
    status = answer.response.status
    if (answer.bytes !== null) note(call, how, status, answer.bytes)
    return answer.response
  }

  /** What flew has been kept meanwhile: it is answered from the store. */
  async function sendKept(
    call: Call,
    how: CacheOutcome,
    row: Awaited<Extract<Outcome, { kind: 'flying' }>['flight']['done']>,
  ): Promise<Response> {
    const blob = row === null ? null : await services.blobs.open(row.sha256, row.size)
    if (row === null || blob === null) {
      const problem = new Problem(
        'upstream-busy',
        'Cannot answer now: the object went by without being kept; ask again',
        { retryAfterSeconds: 1 },
      )
      return send(call, refusedBy(problem))
    }
    return send(call, { kind: 'stored', how, row, blob })
  }

  async function change(call: Call, meaning: Change): Promise<Response> {
    const { request, repository, exchange } = call
    const { name } = repository.settings
    if (meaning.kind === 'put') {
      const result = await repository.put?.(meaning, { body: request.body, headers: request.headers })
      if (result === undefined)
        throw new Problem('internal', 'Cannot keep the upload: its repository takes none')
      const { row, isNew } = result
      services.log.info(`Uploaded ${name}/${row.key}`, {
        id: exchange.id,
        repo: name,
        bytes: row.size,
        sha256: row.sha256,
      })
      journal.other(exchange, isNew ? 201 : 200)
      const body = `${JSON.stringify({ repository: name, path: row.path, size: row.size, sha256: row.sha256 })}\n`
      return new Response(body, {
        status: isNew ? 201 : 200,
        headers: {
          'content-type': 'application/json',
          etag: `"${row.sha256}"`,
          location: new URL(request.url).pathname,
        },
      })
    }
    if ((await repository.delete?.(meaning)) !== true)
      throw new Problem('not-found', `Not found: ${name} has no ${meaning.path}`)
    services.log.info(`Deleted ${name}/${meaning.key}`, { id: exchange.id, repo: name })
    journal.other(exchange, 204)
    return new Response(null, { status: 204 })
  }

  function refuse(
    request: Request,
    exchange: Exchange,
    repository: Repository | null,
    outcome: Extract<Outcome, { kind: 'refused' }>,
  ): Response {
    const { problem, headers, how } = outcome
    if (problem.code === 'internal' || problem.code.startsWith('database-'))
      services.log.error(problem.message, { error: problem.cause ?? problem, id: exchange.id })
    const extra = { ...headers, 'x-artifactapi-request-id': exchange.id, ...cacheStatusOf(outcome) }
    const response = problemText(problem, request.method === 'HEAD', repository?.format ?? null, extra)
    if (repository === null) journal.other(exchange, response.status)
    else
      journal.package(exchange, { ...labelsOf(repository), outcome: how, status: response.status, bytes: 0 })
    return response
  }

  function note(call: Call, outcome: CacheOutcome, status: number, bytes: number): void {
    journal.package(call.exchange, { ...labelsOf(call.repository), outcome, status, bytes })
  }

  function rememberHot(
    { request, rawTarget, repository }: Call,
    { row, blob }: Extract<Outcome, { kind: 'stored' }>,
  ): void {
    const isPlain =
      request.method === 'GET' && auth.isReadingOpen && repository.settings.name === row.repository
    if (isPlain) hot.remember(rawTarget, { ...labelsOf(repository), row, blob })
  }

  return { handle }
}

function labelsOf({ settings, format }: Repository): { repo: string; format: string } {
  return { repo: settings.name, format: format.name }
}

function checkMethod(request: Request, repository: Repository | null): void {
  const allowed = ['GET', 'HEAD']
  if (repository === null || repository.put !== undefined) allowed.push('PUT')
  if (repository === null || repository.delete !== undefined) allowed.push('DELETE')
  if (allowed.includes(request.method)) return
  const allow = repository === null ? 'GET, HEAD' : allowed.join(', ')
  throw new Problem('method-not-allowed', `Cannot ${request.method} here: allowed are ${allow}`, { allow })
}

function methodOf(request: Request): 'GET' | 'HEAD' | 'PUT' | 'DELETE' {
  const { method } = request
  return method === 'HEAD' || method === 'PUT' || method === 'DELETE' ? method : 'GET'
}

function cacheStatusOf({ how, problem }: Extract<Outcome, { kind: 'refused' }>): Record<string, string> {
  if (how !== 'negative') return {}
  const status = problem.detail.originStatus
  if (problem.detail.remembered === true)
    return { 'cache-status': `artifactapi; hit; detail="remembered ${status}"` }
  return {
    'cache-status':
      typeof status === 'number' ? `artifactapi; fwd=miss; fwd-status=${status}` : 'artifactapi; fwd=miss',
  }
}
