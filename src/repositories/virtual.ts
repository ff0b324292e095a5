// One name over several repositories of one format: the members are asked in their order, the first that has it
// answers, and one that is down takes nobody down with it.

import type { Format } from '../formats/format.ts'
import { Problem, toProblem } from '../model/problem.ts'
import type { RepositorySettings } from '../model/repository.ts'
import type { Target } from '../model/target.ts'
import type { Log } from '../ports/log.ts'
import { refusedBy } from './refusals.ts'
import type { Outcome, Repository } from './repository.ts'

export interface VirtualParts {
  readonly settings: RepositorySettings
  readonly format: Format
  readonly open: (name: string) => Repository
  readonly services: { readonly log: Log }
}

export function createVirtual({ settings, format, open, services }: VirtualParts): Repository {
  async function ask(name: string, target: Target, isHead: boolean): Promise<Outcome> {
    try {
      return await open(name).read(target, isHead)
    } catch (error) {
      const problem = toProblem(error, 'internal', `Cannot ask ${name}`)
      services.log.warn(`${settings.name} goes on without its member ${name}: ${problem.message}`, { error })
      return refusedBy(problem)
    }
  }

  return {
    settings,
    format,
    async read(target, isHead) {
      let trouble: Outcome | null = null
      let denial: Outcome | null = null
      for (const name of settings.members) {
        const outcome = await ask(name, target, isHead)
        if (outcome.kind !== 'refused') return outcome
        if (outcome.how === 'denied') denial ??= outcome
        else if (outcome.problem.status >= 500) trouble ??= outcome
      }
      if (trouble !== null) return trouble
      return (
        denial ??
        refusedBy(new Problem('not-found', `Not found: no member of ${settings.name} has ${target.path}`))
      )
    },
  }
}
