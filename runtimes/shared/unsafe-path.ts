// Paths that climb or hide are refused as they were sent, before a runtime's URL parser tidies them into other paths.

/** True when the request target, as sent, has a `.` or `..` segment, encoded or not, or a backslash. */
export function isUnsafeTarget(target: string): boolean {
  if (!SUSPECT.test(target)) return false
  const end = target.indexOf('?')
  const path = end === -1 ? target : target.slice(0, end)
  return UNSAFE.test(path)
}

/** Nearly all targets end here. */
const SUSPECT = /\/\.|%2e|\\|%5c/i
const UNSAFE = /\/(?:\.|%2e){1,2}(?:\/|#|$)|\\|%5c/i

export function refuseUnsafePath(): Response {
  return refuse(400, 'Cannot read path: it contains a "." or ".." segment or a backslash')
}

export function refuseLongPath(): Response {
  return refuse(414, 'Cannot read path: it has too many segments')
}

function refuse(status: number, reason: string): Response {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }
  return new Response(`${reason}\n`, { status, headers })
}
