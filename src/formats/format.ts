// The interface of a package type. A format is pure: paths and documents in, meanings out; it never knows
// which kind of repository it serves. What a format supports is derived from which words it has.

import type { Origin } from '../model/origin.ts'
import type { PackagePath } from '../model/path.ts'
import type { Problem } from '../model/problem.ts'
import type { Change, Target } from '../model/target.ts'

export interface Format {
  readonly name: string
  /** How long a 404 of the origin is remembered, unless the repository says otherwise. */
  readonly negativeTtlSeconds: number
  /** What clients do well with when a young version is held back. */
  readonly quarantineStatus: 404 | 403
  /** Raw path in, meaning out; null = not a path of this format. */
  parse(request: PackageRequest): Target | Change | null
  /** Where the origin keeps it. */
  locate(target: Target, origin: Origin): Source
  /** Status and body in the dialect of this format's clients. */
  refuse(problem: Problem): Refusal
  /** Copy-paste set-up per client. */
  guide(repositoryUrl: string): readonly GuideStep[]
  /** Present: uploads are possible. What an upload must be; throws `unprocessable` when it is not. */
  admit?(change: Change): void
}

export interface PackageRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  readonly path: PackagePath
  /** Raw, without `?`; empty when there is none. */
  readonly query: string
}

export interface Source {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Refusal {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

export interface GuideStep {
  readonly client: string
  readonly text: string
}
