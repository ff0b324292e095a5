// The way to an origin for one job: what is asked for where, under which rules, and how a broken answer is gone on with.

import type { Format } from '../formats/format.ts'
import type { OriginHead } from '../model/object.ts'
import { Problem } from '../model/problem.ts'
import type { RepositorySettings } from '../model/repository.ts'
import type { FlightJob } from '../ports/flights.ts'
import type { UpstreamResponse } from '../ports/upstream.ts'
import type { Services } from '../services.ts'
import type { Breaker } from './breaker.ts'
import { type Directory, requireRepository } from './directory.ts'
import { judge, type Verdict } from './gate.ts'
import { isStrong } from './origin-head.ts'

export interface Trip {
  readonly settings: RepositorySettings
  readonly format: Format
  readonly verdict: Verdict
  /** One exchange with the origin. Throws `upstream-busy` at once while the origin is left alone. */
  send(method: 'GET' | 'HEAD', headers: Readonly<Record<string, string>>): Promise<UpstreamResponse>
  /** The rest of a body from `offset`; null unless the origin's strong validator still names the same bytes. */
  resume(head: OriginHead, offset: number): Promise<ReadableStream<Uint8Array> | null>
}

export interface TripParts {
  readonly services: Services
  readonly formats: ReadonlyMap<string, Format>
  readonly directory: Directory
  readonly breaker: Breaker
}

export function planTrip({ services, formats, directory, breaker }: TripParts, job: FlightJob): Trip {
  const { repository, target } = job
  const name = `${repository}/${target.key}`
  const settings = requireRepository(directory, repository)
  const format = formats.get(settings.format)
  const { origin } = settings
  if (origin === null || format === undefined) {
    throw new Problem('internal', `Cannot fetch ${name}: it has no origin`)
  }
  const source = format.locate(target, origin)
  const from = origin
  const { host } = new URL(origin.baseUrl)

  async function send(
    method: 'GET' | 'HEAD',
    headers: Readonly<Record<string, string>>,
  ): Promise<UpstreamResponse> {
    const waitSeconds = await breaker.waitSeconds(host)
    if (waitSeconds !== null) {
      throw new Problem(
        'upstream-busy',
        `Cannot fetch ${name}: ${host} failed repeatedly and is left alone for ${waitSeconds} s`,
        { retryAfterSeconds: waitSeconds },
      )
    }
    try {
      const response = await services.upstream.send({
        url: source.url,
        method,
        headers: { ...source.headers, ...headers },
        origin: from,
      })
      await breaker.succeeded(host)
      return response
    } catch (error) {
      if (error instanceof Problem && error.isFailedContact) await breaker.failed(host)
      throw error
    }
  }

  return {
    settings,
    format,
    verdict: judge(settings, target),
    send,
    async resume(head, offset) {
      if (head.etag === null || !isStrong(head.etag) || head.contentEncoding !== null) return null
      services.log.info(`Resuming ${name} at byte ${offset}`, { repository })
      const response = await send('GET', { range: `bytes=${offset}-`, 'if-range': head.etag })
      const size = head.size === null ? '\\d+|\\*' : String(head.size)
      const fits = new RegExp(`^bytes ${offset}-\\d+/(${size})$`).test(
        response.headers.get('content-range') ?? '',
      )
      if (response.status === 206 && fits && response.headers.get('etag') === head.etag) return response.body
      await response.body?.cancel()
      return null
    },
  }
}
