// The verbs of the cache in their early spellings: flush, list what is cached, fetch a batch.

import type { Context } from 'hono'
import type { ListedObject } from '../../catalog/catalog.ts'
import { fetchBatch } from '../../manage/batch.ts'
import { type Dropped, flush, listObjects, type ObjectPage } from '../../manage/objects.ts'
import { readBatch, readFlush } from '../../model/manage-requests.ts'
import { Problem } from '../../model/problem.ts'
import type { Repositories } from '../../repositories/repositories.ts'
import { json, type ManageParts, type Route, readJson } from './route.ts'

const PAGE = 100
const PAGE_LIMIT = 1000

export function artifactRoutes({ repositories }: ManageParts): Route[] {
  const listing: Pick<Route, 'GET' | 'POST'> = {
    GET: async context => json(context, await pageOf(context, repositories, context.req.param('repo') ?? '')),
    POST: context => batch(context, repositories),
  }
  return [
    {
      path: '/cache/flush',
      async PUT(context) {
        // An empty body names nothing, and so means everything that is cached.
        const request = readFlush((await readJson(context)) ?? {})
        return json(context, printDropped(await flush(repositories, request)))
      },
    },
    { path: '/api/v1/artifacts/:repo', ...listing },
    { path: '/artifacts/:repo', ...listing },
    { path: '/cache-artifact', POST: context => batch(context, repositories) },
  ]
}

async function batch(context: Context, repositories: Repositories): Promise<Response> {
  const request = readBatch(await readJson(context))
  const named = context.req.param('repo')
  const name = named ?? request.remote
  if (name === undefined) {
    throw new Problem('unprocessable', 'Cannot fetch a batch: "remote" is missing, the name of a repository')
  }
  if (request.remote !== undefined && request.remote !== name) {
    throw new Problem('unprocessable', `Cannot fetch a batch of ${name}: the body names ${request.remote}`)
  }
  const results = await fetchBatch(repositories, name, request)
  const count = (status: string) => results.filter(item => item.status === status).length
  return json(context, {
    remote: name,
    cached: count('cached'),
    fetched: count('fetched'),
    refused: count('refused'),
    results,
  })
}

/** One page of what a repository holds, as the query asks: `limit`, `cursor`, `prefix`. */
export async function pageOf(context: Context, repositories: Repositories, name: string): Promise<unknown> {
  const limit = Number(context.req.query('limit') ?? PAGE)
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_LIMIT) {
    throw new Problem('bad-request', `Cannot list ${name}: limit is a number from 1 to ${PAGE_LIMIT}`)
  }
  const { cursor, prefix } = context.req.query()
  return printPage(name, await listObjects(repositories, name, { limit, cursor, prefix }))
}

function printPage(remote: string, { objects, cursor }: ObjectPage): unknown {
  return { remote, objects: objects.map(printObject), cursor }
}

function printObject(row: ListedObject): unknown {
  return {
    path: row.path,
    key: row.key,
    size: row.size,
    sha256: row.sha256,
    content_type: row.contentType,
    class: row.pathClass,
    stored_at: printTime(row.storedAt),
    checked_at: printTime(row.checkedAt),
    fresh_until: printTime(row.freshUntil),
    published_at: printTime(row.publishedAt),
    accessed_at: printTime(row.accessedAt),
    hits: row.hits,
    pinned: row.isPinned,
  }
}

export function printDropped({ objects, bytes, dropped, hasMore }: Dropped): unknown {
  return { objects, bytes, dropped, has_more: hasMore }
}

function printTime(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}
