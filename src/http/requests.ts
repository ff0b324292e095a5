// Which repository a request means, read from its raw URL once. Nothing is decoded here but the repository's name.

import { QUERY_LIMIT_BYTES } from '../model/path.ts'
import { Problem } from '../model/problem.ts'

/** Path and query as they stand in the URL. */
export function rawTargetOf(url: string): string {
  return url.slice(url.indexOf('/', url.indexOf('://') + 3))
}

export interface PackagePlace {
  readonly surface: 'remote' | 'virtual'
  readonly repository: string
  /** Below the repository, raw, without leading slash. */
  readonly rawPath: string
  /** Raw, without `?`. */
  readonly query: string
  /** Path of the repository itself, for links. */
  readonly base: string
}

/** First segments below `/api/` that are not repositories of the early URL form. */
const RESERVED = new Set(['v1', 'v2'])
/** `/api/v1/{surface}/{repository}/…`; uploads of local repositories go through `remote` too. */
const SURFACES = new Map([
  ['remote', 'remote' as const],
  ['virtual', 'virtual' as const],
])

/** Null when the request is not for a package. */
export function findPlace(rawTarget: string): PackagePlace | null {
  if (!rawTarget.startsWith('/api/')) return null
  // No client sends a fragment; an origin's URL would lose it, and with it what the patterns saw.
  if (rawTarget.includes('#')) {
    throw new Problem('bad-request', 'Cannot read path: it contains a "#"; in a name it is written %23')
  }
  const mark = rawTarget.indexOf('?')
  const path = mark === -1 ? rawTarget : rawTarget.slice(0, mark)
  const query = mark === -1 ? '' : rawTarget.slice(mark + 1)
  const segments = path.split('/')
  const first = segments[2] ?? ''
  const surface =
    first === 'v1' ? SURFACES.get(segments[3] ?? '') : RESERVED.has(first) ? undefined : 'remote'
  if (surface === undefined) return null
  const at = first === 'v1' ? 4 : 2
  const repository = segments[at]
  if (repository === undefined || repository === '') return null
  if (query.length > QUERY_LIMIT_BYTES) {
    throw new Problem(
      'uri-too-long',
      `Cannot read query: it has ${query.length} bytes, ${QUERY_LIMIT_BYTES} are allowed`,
    )
  }
  return {
    surface,
    repository,
    rawPath: segments.slice(at + 1).join('/'),
    query,
    base: segments.slice(0, at + 1).join('/'),
  }
}
