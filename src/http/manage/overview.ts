// API v2: figures, the health of each part, a try of an origin, and what is happening now.

import { readHealth } from '../../manage/health.ts'
import { type ProbeResult, probe } from '../../manage/probe.ts'
import { createReadinessCheck } from '../../manage/readiness.ts'
import { readStats, type Stats } from '../../manage/stats.ts'
import { readProbe } from '../../model/manage-requests.ts'
import { eventStream } from './event-stream.ts'
import { json, type ManageParts, type Route, readJson } from './route.ts'

export function overviewRoutes({ repositories, events }: ManageParts): Route[] {
  const { clock } = repositories.services
  const readiness = createReadinessCheck(repositories.services)
  return [
    {
      path: '/api/v2/stats',
      GET: async context => json(context, printStats(await readStats(repositories))),
    },
    {
      path: '/api/v2/health',
      async GET(context) {
        const { isReady, parts } = await readiness.verdict()
        const { status, ...rest } = readHealth(repositories)
        return json(context, {
          status: isReady && parts.every(part => part.isUp) ? status : 'degraded',
          ready: isReady,
          ...rest,
          parts: parts.map(part => ({
            name: part.name,
            product: part.product,
            status: part.isUp ? 'up' : 'down',
            error: part.error,
            milliseconds: part.milliseconds,
          })),
        })
      },
    },
    {
      path: '/api/v2/probe',
      async POST(context) {
        const request = readProbe(await readJson(context))
        return json(context, printProbe(await probe(repositories, request, context.req.raw.signal)))
      },
    },
    {
      path: '/api/v2/events',
      GET(context) {
        const lastId = Number(context.req.header('last-event-id') ?? Number.NaN)
        const headers = {
          'content-type': 'text/event-stream',
          'cache-control': 'no-store',
          // Proxies on the way shall not hold events back.
          'x-accel-buffering': 'no',
        }
        if (context.req.method === 'HEAD') return new Response(null, { headers })
        return new Response(eventStream(events, clock, Number.isInteger(lastId) ? lastId : null), { headers })
      },
    },
  ]
}

function printStats({ store, repositories, ...rest }: Stats): unknown {
  const printed = Object.entries(repositories).map(([name, { objects, bytes, limitBytes }]) => {
    return [name, { objects, bytes, max_bytes: limitBytes }] as const
  })
  return {
    ...rest,
    store: {
      blobs: store.blobs,
      bytes: store.bytes,
      condemned_blobs: store.condemnedBlobs,
      condemned_bytes: store.condemnedBytes,
      max_bytes: store.limitBytes,
      free_bytes: store.freeBytes,
    },
    repositories: Object.fromEntries(printed),
  }
}

function printProbe({ pathClass, isAllowed, ...rest }: ProbeResult): unknown {
  return { ...rest, class: pathClass, allowed: isAllowed }
}
