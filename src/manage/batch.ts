// Fetches many objects before anybody asks for them. Every item goes the way of a client's request (same gate, same
// flight) but nobody takes the body, so it passes from the origin to the store and is never held.

import { BATCH_LIMIT, type BatchRequest } from '../model/manage-requests.ts'
import { compilePattern } from '../model/patterns.ts'
import { Problem, toProblem } from '../model/problem.ts'
import type { Repositories } from '../repositories/repositories.ts'
import type { Outcome, Repository } from '../repositories/repository.ts'
import { targetOf } from './targets.ts'

const AT_ONCE = 4
const PAGE = 500

export interface BatchItem {
  readonly path: string
  /** `cached`: the copy at hand was good. `refused`: see `error`. */
  readonly status: 'cached' | 'fetched' | 'refused'
  readonly sha256: string | null
  readonly size: number | null
  readonly error: string | null
}

export async function fetchBatch(
  repositories: Repositories,
  name: string,
  { paths, pattern }: Pick<BatchRequest, 'paths' | 'pattern'>,
): Promise<BatchItem[]> {
  const repository = repositories.open(name)
  const candidates = await candidatesOf(repositories, name, paths ?? [], pattern)
  if (candidates.length === 0) {
    throw new Problem(
      'unprocessable',
      pattern === undefined
        ? `Cannot fetch a batch of ${name}: give paths, or a pattern that matches paths it knows`
        : `Cannot fetch a batch of ${name}: it knows no path that matches ${pattern}; give paths`,
    )
  }
  const items: BatchItem[] = []
  const waiting = candidates.entries()
  const work = async () => {
    for (const [index, path] of waiting) items[index] = await fetchOne(repository, path)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return items
}

async function candidatesOf(
  { catalog }: Repositories,
  name: string,
  paths: readonly string[],
  pattern: string | undefined,
): Promise<string[]> {
  const found = new Set(paths)
  if (pattern === undefined) return [...found]
  const compiled = compilePattern(pattern)
  for (let after: string | undefined; found.size < BATCH_LIMIT; ) {
    const rows = await catalog.list(name, { after, limit: PAGE })
    for (const row of rows) {
      if (found.size < BATCH_LIMIT && compiled.test(row.path)) found.add(row.key)
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) break
    after = last.key
  }
  return [...found]
}

async function fetchOne(repository: Repository, path: string): Promise<BatchItem> {
  try {
    return await itemOf(path, await repository.read(targetOf(repository, path), false))
  } catch (error) {
    return refused(path, toProblem(error, 'internal', `Cannot fetch ${repository.settings.name}/${path}`))
  }
}

async function itemOf(path: string, outcome: Outcome): Promise<BatchItem> {
  switch (outcome.kind) {
    case 'refused':
      return refused(path, outcome.problem)
    case 'told':
      return refused(path, new Problem('internal', `Cannot fetch ${path}: only its headers came`))
    case 'stored': {
      const isNew = outcome.how === 'miss' || outcome.how === 'collapsed'
      return kept(path, isNew ? 'fetched' : 'cached', outcome.row)
    }
    case 'flying': {
      // Nobody would read a body that is not kept.
      const row = outcome.isKept ? await outcome.flight.done : null
      if (row !== null) return kept(path, 'fetched', row)
      return refused(path, new Problem('store-full', `Cannot keep ${path}: caching is off at the moment`))
    }
  }
}

function kept(path: string, status: 'cached' | 'fetched', row: { sha256: string; size: number }): BatchItem {
  return { path, status, sha256: row.sha256, size: row.size, error: null }
}

function refused(path: string, problem: Problem): BatchItem {
  return { path, status: 'refused', sha256: null, size: null, error: problem.message }
}
