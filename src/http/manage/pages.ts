// The pages every operator knows by heart: what is here, is it alive, is it ready, how is it configured, what did
// it count.

import type { Context } from 'hono'
import { readHealth } from '../../manage/health.ts'
import { createReadinessCheck } from '../../manage/readiness.ts'
import { redactSettings } from '../../model/settings-print.ts'
import type { Repositories } from '../../repositories/repositories.ts'
import { printIndexPage } from './index-page.ts'
import { json, type ManageParts, publicBaseOf, type Route, repositoryUrl, textAnswer } from './route.ts'

export function pageRoutes({ repositories, figures }: ManageParts): Route[] {
  const readiness = createReadinessCheck(repositories.services)
  return [
    { path: '/', GET: context => index(context, repositories) },
    { path: '/health', isOpen: true, GET: context => json(context, readHealth(repositories)) },
    {
      path: '/ready',
      isOpen: true,
      async GET(context) {
        const { isReady, parts } = await readiness.verdict()
        const body = {
          status: isReady ? 'ready' : 'not ready',
          runtime: repositories.services.runtime,
          parts: parts.map(part => ({
            name: part.name,
            product: part.product,
            needed: part.isNeeded,
            status: part.isUp ? 'up' : 'down',
            error: part.error,
            milliseconds: part.milliseconds,
          })),
        }
        return json(context, body, { status: isReady ? 200 : 503 })
      },
    },
    { path: '/config', GET: context => json(context, configOf(repositories)) },
    {
      path: '/metrics',
      async GET(context) {
        return textAnswer(context, 'text/plain; version=0.0.4; charset=utf-8', await figures.all(), {})
      },
    },
  ]
}

/** What is served here, by name: JSON for programs, a table for those who would rather have HTML. */
async function index(context: Context, repositories: Repositories): Promise<Response> {
  const { directory, services } = repositories
  const base = publicBaseOf(repositories, context)
  const entries = (isVirtual: boolean) =>
    directory
      .all()
      .filter(({ kind }) => (kind === 'virtual') === isVirtual)
      .map(({ name, kind, format, description }) => {
        const url = repositoryUrl(base, name, isVirtual)
        return [name, { package: format, type: kind, description, url }] as const
      })
  const headers = { vary: 'accept' }
  if (prefersHtml(context.req.header('accept') ?? '')) {
    const page = await printIndexPage(services.version, [...entries(false), ...entries(true)])
    return textAnswer(context, 'text/html; charset=utf-8', page, {
      headers: { ...headers, 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'" },
    })
  }
  const body = {
    name: 'artifactapi',
    version: services.version,
    remotes: Object.fromEntries(entries(false)),
    virtuals: Object.fromEntries(entries(true)),
    links: {
      health: `${base}/health`,
      ready: `${base}/ready`,
      config: `${base}/config`,
      metrics: `${base}/metrics`,
      remotes: `${base}/api/v2/remotes`,
      virtuals: `${base}/api/v2/virtuals`,
      stats: `${base}/api/v2/stats`,
      events: `${base}/api/v2/events`,
    },
  }
  return json(context, body, { headers })
}

/** Only where HTML is named, and wanted more than JSON: `curl` and scripts that take anything get JSON. */
function prefersHtml(accept: string): boolean {
  const weights = new Map<string, number>()
  for (const part of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = part.split(';').map(text => text.trim())
    const weight = parameters.find(text => text.startsWith('q='))?.slice(2) ?? '1'
    weights.set(type, Number(weight))
  }
  const ofJson = weights.get('application/json') ?? weights.get('application/*') ?? weights.get('*/*') ?? 0
  return (weights.get('text/html') ?? 0) > ofJson
}

/** The configuration in effect. Of secrets, that they are there. */
function configOf({ services, directory }: Repositories): unknown {
  const { options, settings, parts, version, runtime } = services
  const all = new Map(directory.all().map(each => [each.name, each]))
  return {
    ...redactSettings({ repositories: all }),
    options: {
      public_url: options.publicUrl,
      has_admin_token: options.adminToken !== null,
      anonymous_read: options.anonymousRead,
      miss_wait_ms: options.missWaitMs,
      hot_cache_bytes: options.hotCacheBytes,
      cache_max_bytes: options.cacheMaxBytes,
      scrub_bytes_per_second: options.scrubBytesPerSecond,
      collect_grace_seconds: options.collectGraceSeconds,
    },
    source: { origin: settings.origin, fault: settings.fault(), warnings: settings.current().warnings },
    parts: parts.map(({ name, product }) => ({ name, product })),
    version,
    runtime,
  }
}
