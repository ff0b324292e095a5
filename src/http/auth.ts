// Who asks. Writing and managing need the admin token, as Bearer or as the password of any Basic user; reading is
// open unless the operator closed it.

import { Problem } from '../model/problem.ts'
import type { Options } from '../services.ts'

export interface Auth {
  /** Throws `unauthorized`, or `forbidden` where no token is set. */
  requireAdmin(request: Request): void
  /** Throws `unauthorized` where anonymous reading is off. */
  requireReader(request: Request): void
  readonly isReadingOpen: boolean
}

export const CHALLENGE = 'Basic realm="artifactapi", charset="UTF-8"'

export function createAuth(options: Pick<Options, 'adminToken' | 'anonymousRead'>): Auth {
  function requireAdmin(request: Request): void {
    // An empty one would be the password of everybody who sends none.
    if (options.adminToken === null || options.adminToken === '') {
      throw new Problem('forbidden', 'Cannot change anything here: no ADMIN_TOKEN is set')
    }
    const given = tokenOf(request.headers.get('authorization'))
    if (given === null)
      throw new Problem(
        'unauthorized',
        'This needs the admin token: send it as Bearer, or as the password of any Basic user',
      )
    if (!isSame(given, options.adminToken))
      throw new Problem('unauthorized', 'The token given is not the admin token')
  }

  return {
    requireAdmin,
    requireReader(request) {
      if (!options.anonymousRead) requireAdmin(request)
    },
    isReadingOpen: options.anonymousRead,
  }
}

function tokenOf(header: string | null): string | null {
  const match = header === null ? null : /^\s*(bearer|basic)\s+(\S+)\s*$/i.exec(header)
  const [, scheme, value] = match ?? []
  if (scheme === undefined || value === undefined) return null
  if (scheme.toLowerCase() === 'bearer') return value
  try {
    const pair = new TextDecoder().decode(Uint8Array.from(atob(value), char => char.charCodeAt(0)))
    const colon = pair.indexOf(':')
    return colon === -1 ? null : pair.slice(colon + 1)
  } catch {
    return null
  }
}

/** Takes as long for a wrong token as for a right one. */
export function isSame(given: string, wanted: string): boolean {
  const encoder = new TextEncoder()
  const a = encoder.encode(given)
  const b = encoder.encode(wanted)
  let difference = a.byteLength ^ b.byteLength
  for (let i = 0; i < b.byteLength; i++) difference |= (a[i % Math.max(1, a.byteLength)] ?? 0) ^ (b[i] ?? 0)
  return difference === 0
}
