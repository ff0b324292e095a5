// Everything that is not a package: what operators and their tools ask. Mounts the rooms below http/manage.

import { Hono } from 'hono'
import { Problem, toProblem } from '../model/problem.ts'
import type { Repositories } from '../repositories/repositories.ts'
import type { Auth } from './auth.ts'
import type { Exchange, Journal } from './journal.ts'
import { problemText } from './problems.ts'

export interface Management {
  handle(request: Request, exchange: Exchange): Promise<Response>
}

export function createManagement({ repositories, journal }: { repositories: Repositories; auth: Auth; journal: Journal }): Management {
  const { log } = repositories.services
  const routes = new Hono()
  routes.get('/health', context => context.json({ status: 'ok' }))
  routes.onError((error, context) => {
    const problem = toProblem(error, 'internal', 'Cannot answer')
    if (problem.code === 'internal') log.error(problem.message, { error })
    return problemText(problem, context.req.method === 'HEAD', null)
  })
  routes.notFound(context => problemText(new Problem('not-found', `There is nothing at ${context.req.path}`), false, null))

  return {
    async handle(request, exchange) {
      await repositories.directory.ready()
      const response = await routes.fetch(request)
      journal.other(exchange, response.status)
      return response
    },
  }
}
