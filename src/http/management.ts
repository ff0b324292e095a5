// Everything that is not a package: what operators and their tools ask. Answers below http/manage, seen and counted here.

import type { EventHub } from '../manage/events.ts'
import { Problem } from '../model/problem.ts'
import type { Repositories } from '../repositories/repositories.ts'
import type { Auth } from './auth.ts'
import type { Exchange, Journal } from './journal.ts'
import { createManageRoutes } from './manage/routes.ts'
import { problemText } from './problems.ts'

export interface Management {
  handle(request: Request, exchange: Exchange): Promise<Response>
}

export interface ManagementParts {
  readonly repositories: Repositories
  readonly auth: Auth
  readonly journal: Journal
  readonly events: EventHub
}

export function createManagement({ repositories, auth, journal, events }: ManagementParts): Management {
  const routes = createManageRoutes(repositories, auth, events)
  routes.notFound(context => {
    const problem = new Problem(
      'not-found',
      `There is nothing at ${context.req.path}; GET / lists what there is`,
    )
    return problemText(problem, context.req.method === 'HEAD', null)
  })

  return {
    async handle(request, exchange) {
      const response = await routes.fetch(request)
      journal.other(exchange, response.status)
      return response
    },
  }
}
