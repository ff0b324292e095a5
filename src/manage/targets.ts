// Paths as operators write them, read by the repository's own format: the same meaning that a request has.

import { parsePath } from '../model/path.ts'
import { Problem } from '../model/problem.ts'
import type { Target } from '../model/target.ts'
import { isChange, type Repository } from '../repositories/repository.ts'

/** Throws `bad-request` for what is no path, and `not-found` for what is none of this package type. */
export function targetOf({ settings, format }: Repository, text: string): Target {
  const mark = text.indexOf('?')
  const path = parsePath((mark === -1 ? text : text.slice(0, mark)).replace(/^\/+/, ''))
  const meaning = format.parse({ method: 'GET', path, query: mark === -1 ? '' : text.slice(mark + 1) })
  if (meaning !== null && !isChange(meaning)) return meaning
  throw new Problem(
    'not-found',
    `"${path.canonical}" is no path of a ${format.name} repository (${settings.name})`,
  )
}
