// API v2: repositories of both lists, and the objects they hold.

import type { Context } from 'hono'
import { evictObjects } from '../../manage/objects.ts'
import {
  createRepository,
  deleteRepository,
  getRepository,
  listRepositories,
  type RepositoryView,
  replaceRepository,
  type Section,
} from '../../manage/repositories.ts'
import { Problem } from '../../model/problem.ts'
import type { Repositories } from '../../repositories/repositories.ts'
import { pageOf, printDropped } from './artifacts.ts'
import { json, type ManageParts, publicBaseOf, type Route, readJson, repositoryUrl } from './route.ts'

export function repositoryRoutes({ repositories }: ManageParts): Route[] {
  return (['remotes', 'virtuals'] as const).flatMap(section => sectionRoutes(repositories, section))
}

function sectionRoutes(repositories: Repositories, section: Section): Route[] {
  const show = (context: Context, view: RepositoryView) => {
    const url = repositoryUrl(publicBaseOf(repositories, context), view.name, section === 'virtuals')
    return { ...view, url }
  }
  return [
    {
      path: `/api/v2/${section}`,
      GET: context =>
        json(context, {
          [section]: listRepositories(repositories, section).map(view => show(context, view)),
        }),
      async POST(context) {
        const view = await createRepository(repositories, section, await readJson(context))
        const headers = { location: `/api/v2/${section}/${view.name}` }
        return json(context, show(context, view), { status: 201, headers })
      },
    },
    {
      path: `/api/v2/${section}/:name`,
      GET(context) {
        const view = getRepository(repositories, section, nameOf(context))
        const shown = show(context, view)
        const guide = repositories.formats.get(String(view.package))?.guide(shown.url) ?? []
        return json(context, { ...shown, guide })
      },
      async PUT(context) {
        const body = await readJson(context)
        const { view, isNew } = await replaceRepository(repositories, section, nameOf(context), body)
        return json(context, show(context, view), { status: isNew ? 201 : 200 })
      },
      async DELETE(context) {
        const dropped = await deleteRepository(repositories, section, nameOf(context))
        return json(context, { deleted: nameOf(context), objects: dropped.objects, bytes: dropped.bytes })
      },
    },
    {
      path: `/api/v2/${section}/:name/objects`,
      async GET(context) {
        getRepository(repositories, section, nameOf(context))
        return json(context, await pageOf(context, repositories, nameOf(context)))
      },
      async DELETE(context) {
        getRepository(repositories, section, nameOf(context))
        const dropped = await evictObjects(repositories, nameOf(context), selectionOf(context))
        return json(context, printDropped(dropped))
      },
    },
  ]
}

/** Exactly one of them, so that a mistyped one never means everything. */
function selectionOf(context: Context) {
  const paths = context.req.queries('path')
  const { prefix, pattern } = context.req.query()
  const given = [paths, prefix, pattern].filter(each => each !== undefined)
  if (given.length === 1) return { paths, prefix, pattern }
  throw new Problem(
    'bad-request',
    'Cannot evict: give one of ?path=, ?prefix= or ?pattern= (an empty prefix means everything)',
  )
}

function nameOf(context: Context): string {
  return context.req.param('name') ?? ''
}
