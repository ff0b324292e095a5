// Bun collapses `..`, `.`, their encoded spellings and backslashes in `request.url` before anyone sees them, but it
// matches `routes` against the path as it was sent. So everything is served through one route per shape of path,
// whose parameters are the segments, decoded once: what climbs is refused here and never reaches the application.

import { refuseLongPath, refuseUnsafePath } from '../shared/unsafe-path.ts'

/** Bun looks at no more than 100 segments of a path (uWebSockets' HttpRouter). */
const DEPTH = 96
/** Paths with one empty segment (`/mirror/http://host/file`): how many segments before and after it are looked at. */
const BEFORE_EMPTY = 12
const AFTER_EMPTY = 16

type Handler<Context> = (request: Bun.BunRequest, context: Context) => Response | Promise<Response>
type Answer<Context> = (request: Request, context: Context) => Response | Promise<Response>

/** The routes that lead every request but those for `/` to `answer`, after a look at its raw path. */
export function createRawPathRoutes<Context>(answer: Answer<Context>): Record<string, Handler<Context>> {
  const routes: Record<string, Handler<Context>> = {}
  const checked: Handler<Context> = (request, context) =>
    isClimbing(request.params) ? refuseUnsafePath() : answer(request, context)

  let path = ''
  for (let depth = 0; depth <= DEPTH; depth += 1) {
    if (depth > 0) {
      path += `/:p${depth}`
      routes[path] = checked
      routes[`${path}/`] = checked
      routes[`${path}/*`] = depth === DEPTH ? refuseLongPath : checkedBefore(depth)
    }
    if (depth > BEFORE_EMPTY) continue
    for (let after = 1, whole = `${path}/`; after <= AFTER_EMPTY; after += 1) {
      whole += `/:q${after}`
      routes[whole] = checked
      routes[`${whole}/`] = checked
    }
  }
  return routes

  /**
   * Several empty segments: what follows the first of them cannot be seen as it was sent. It was collapsed already,
   * and must have stayed behind that empty segment.
   */
  function checkedBefore(depth: number): Handler<Context> {
    return (request, context) =>
      isClimbing(request.params) || segmentsBeforeEmpty(request.url) !== depth
        ? refuseUnsafePath()
        : answer(request, context)
  }
}

function isClimbing(segments: Readonly<Record<string, string>>): boolean {
  for (const name in segments) {
    const segment = segments[name]
    if (segment === '.' || segment === '..' || segment?.includes('\\')) return true
  }
  return false
}

/** How many segments come before the first empty one. */
function segmentsBeforeEmpty(url: string): number {
  const [, ...segments] = new URL(url).pathname.split('/')
  return segments.indexOf('')
}
