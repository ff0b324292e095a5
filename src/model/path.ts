// The path of a request, read once. Segments are split raw and decoded once each, so an encoded slash
// stays inside its segment and nothing that climbs, hides or controls ever reaches a store or an origin.

import { Problem } from './problem.ts'

export const PATH_LIMIT_BYTES = 1024
export const QUERY_LIMIT_BYTES = 4096

export interface PackagePath {
  /** Decoded segments, in order. An empty last one means a trailing slash. */
  readonly segments: readonly string[]
  /** One spelling per path: decoded, with `%`, `/` and `?` inside a segment escaped again. */
  readonly canonical: string
  /** As the client wrote it, without leading slash. */
  readonly raw: string
}

/** Reads the raw (still encoded) path below a repository, without its leading slash. */
export function parsePath(raw: string): PackagePath {
  if (raw.length > PATH_LIMIT_BYTES * 3) throw tooLong(raw.length)
  const segments = raw.split('/').map(decodeSegment)
  const canonical = segments.map(escapeSegment).join('/')
  const bytes = new TextEncoder().encode(canonical).byteLength
  if (bytes > PATH_LIMIT_BYTES) throw tooLong(bytes)
  return { segments, canonical, raw }
}

/** The last segment that is not empty, for `Content-Disposition`. */
export function fileNameOf(path: PackagePath): string {
  return path.segments.findLast(segment => segment !== '') ?? 'index'
}

function decodeSegment(raw: string): string {
  let segment = raw
  try {
    if (raw.includes('%')) segment = decodeURIComponent(raw)
  } catch {
    throw new Problem('bad-request', `Cannot read path: "${raw.slice(0, 80)}" is not valid percent-encoding`)
  }
  if (segment === '.' || segment === '..') {
    throw new Problem('bad-request', 'Cannot read path: it contains a "." or ".." segment')
  }
  // An encoded slash may not smuggle a climbing segment past the split either.
  if (segment.includes('/') && segment.split('/').some(part => part === '.' || part === '..')) {
    throw new Problem('bad-request', 'Cannot read path: it contains an encoded ".." segment')
  }
  if (/[\u0000-\u001f\u007f\\]/.test(segment)) {
    throw new Problem('bad-request', 'Cannot read path: it contains a backslash or a control character')
  }
  return segment
}

function escapeSegment(segment: string): string {
  return segment.replaceAll('%', '%25').replaceAll('/', '%2F').replaceAll('?', '%3F')
}

function tooLong(bytes: number): Problem {
  return new Problem(
    'uri-too-long',
    `Cannot read path: it has ${bytes} bytes, ${PATH_LIMIT_BYTES} are allowed`,
  )
}
