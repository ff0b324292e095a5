// Everything that is not a package: what operators and their tools ask. Answers below http/manage, seen and counted here.

import { Problem } from '../model/problem.ts'
import type { Exchange, Journal } from './journal.ts'
import type { ManageParts } from './manage/route.ts'
import { createManageRoutes } from './manage/routes.ts'
import { problemText } from './problems.ts'

export interface Management {
  handle(request: Request, exchange: Exchange): Promise<Response>
}

export interface ManagementParts extends ManageParts {
  readonly journal: Journal
}

export function createManagement({ journal, ...parts }: ManagementParts): Management {
  const routes = createManageRoutes(parts)
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
