// The management surface, mounted at the root: pages for operators, the cache's own verbs, API v2. Whoever reads
// follows the reading rule, whoever changes anything needs the admin token; refusals are problem+json.

import { Hono } from 'hono'
import { Problem, toProblem } from '../../model/problem.ts'
import { problemJson } from '../problems.ts'
import { artifactRoutes } from './artifacts.ts'
import { overviewRoutes } from './overview.ts'
import { pageRoutes } from './pages.ts'
import { repositoryRoutes } from './repositories.ts'
import { type ManageParts, mount } from './route.ts'

export function createManageRoutes(parts: ManageParts): Hono {
  const { log } = parts.repositories.services
  const app = new Hono()
  const routes = [pageRoutes, artifactRoutes, repositoryRoutes, overviewRoutes].flatMap(each => each(parts))
  for (const route of routes) mount(app, parts, route)
  app.all('/api/v2/*', context => {
    const problem = new Problem('not-found', `There is nothing at ${new URL(context.req.url).pathname}`)
    return problemJson(problem, context.req.method === 'HEAD')
  })
  app.onError((error, context) => {
    const problem = toProblem(error, 'internal', `Cannot answer ${context.req.method} ${context.req.path}`)
    if (problem.status >= 500) log.error(problem.message, { error })
    return problemJson(problem, context.req.method === 'HEAD')
  })
  return app
}
