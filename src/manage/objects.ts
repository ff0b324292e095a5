// What is kept, seen and dropped by operators. Uploads are no cache: they go one at a time, by their exact path, and
// never by a pattern or a flush.

import type { ListedObject } from '../catalog/catalog.ts'
import type { FlushRequest } from '../model/manage-requests.ts'
import type { ObjectRow } from '../model/object.ts'
import { parsePath } from '../model/path.ts'
import { compilePattern } from '../model/patterns.ts'
import { Problem } from '../model/problem.ts'
import type { RepositorySettings } from '../model/repository.ts'
import { requireRepository } from '../repositories/directory.ts'
import { forgetRemembered } from '../repositories/remembered.ts'
import type { Repositories } from '../repositories/repositories.ts'
import { isChange } from '../repositories/repository.ts'
import { targetOf } from './targets.ts'

const PAGE = 500
/** What was dropped is told one by one up to here, and counted beyond. */
const TOLD = 1000

export interface ObjectPage {
  readonly objects: readonly ListedObject[]
  /** To be given for the next page; null after the last one. */
  readonly cursor: string | null
}

export async function listObjects(
  { catalog, directory }: Repositories,
  name: string,
  options: { readonly limit: number; readonly cursor?: string; readonly prefix?: string },
): Promise<ObjectPage> {
  requireRepository(directory, name)
  const { limit, cursor, prefix } = options
  const rows = await catalog.list(name, { after: cursor, prefix, limit: limit + 1 })
  const objects = rows.slice(0, limit)
  return { objects, cursor: rows.length > limit ? (objects.at(-1)?.key ?? null) : null }
}

/** All that is set must hold; nothing set means everything. */
export interface Selection {
  readonly paths?: readonly string[]
  readonly prefix?: string
  readonly pattern?: string
  readonly mutableOnly?: boolean
}

export interface Dropped {
  objects: number
  bytes: number
  readonly dropped: { repository: string; path: string; sha256: string; size: number }[]
  /** More were dropped than are told of in `dropped`. */
  hasMore: boolean
}

/** Drops cached objects of one remote, or of all. */
export async function flush(repositories: Repositories, request: FlushRequest): Promise<Dropped> {
  const { remote, paths, pattern, mutable_only } = request
  const { directory } = repositories
  const chosen = remote === undefined ? directory.all() : [requireRepository(directory, remote)]
  if (remote !== undefined) for (const settings of chosen) refuseUploads(settings)
  const selection = { paths, pattern, mutableOnly: mutable_only }
  const result = nothing()
  for (const settings of chosen) {
    if (settings.kind !== 'local') await evictInto(result, repositories, settings.name, selection)
  }
  return told(repositories, result)
}

/** Drops objects of one repository; of a local one only by `paths`, as its clients could. */
export async function evictObjects(
  repositories: Repositories,
  name: string,
  selection: Selection,
): Promise<Dropped> {
  const settings = requireRepository(repositories.directory, name)
  const result = nothing()
  if (settings.kind !== 'local') await evictInto(result, repositories, name, selection)
  else {
    if (selection.pattern !== undefined || selection.prefix !== undefined) refuseUploads(settings)
    for (const path of selection.paths ?? []) await deleteUpload(result, repositories, name, path)
  }
  return told(repositories, result)
}

/** Everything a repository holds, uploads too where `isChosen` says so. For repositories that are going or new. */
export async function dropAll(
  { catalog }: Repositories,
  name: string,
  isChosen: (row: ObjectRow) => boolean = () => true,
): Promise<Dropped> {
  const result = nothing()
  for await (const row of rowsOf({ catalog }, name, '')) {
    if (isChosen(row)) await drop(result, { catalog }, row)
  }
  return result
}

async function evictInto(
  result: Dropped,
  repositories: Repositories,
  name: string,
  selection: Selection,
): Promise<void> {
  const { paths, prefix = '', pattern, mutableOnly } = selection
  const matches = pattern === undefined ? null : compilePattern(pattern)
  const isChosen = (row: ObjectRow) =>
    !row.isPinned &&
    row.key.startsWith(prefix) &&
    (mutableOnly !== true || row.pathClass === 'mutable') &&
    (matches === null || matches.test(row.path))
  if (paths === undefined) {
    for await (const row of rowsOf(repositories, name, prefix)) {
      if (isChosen(row)) await drop(result, repositories, row)
    }
    return
  }
  const repository = repositories.open(name)
  for (const path of paths) {
    const target = targetOf(repository, path)
    await forgetRemembered(repositories.services.keyValue, name, target.key)
    // The path without its query names all of its variants.
    for await (const row of rowsOf(repositories, name, target.key)) {
      const isNamed = row.key === target.key || (row.path === target.path && !path.includes('?'))
      if (isNamed && isChosen(row)) await drop(result, repositories, row)
    }
  }
}

async function deleteUpload(
  result: Dropped,
  repositories: Repositories,
  name: string,
  path: string,
): Promise<void> {
  const repository = repositories.open(name)
  const parsed = parsePath(path.replace(/^\/+/, ''))
  const change = repository.format.parse({ method: 'DELETE', path: parsed, query: '' })
  if (change === null || !isChange(change) || repository.delete === undefined) {
    throw new Problem(
      'conflict',
      `Cannot delete ${name}/${parsed.canonical}: its package type has no deletion`,
    )
  }
  const row = await repositories.catalog.find(name, change.key)
  if (row !== null && (await repository.delete(change))) count(result, row)
}

async function* rowsOf({ catalog }: Pick<Repositories, 'catalog'>, name: string, prefix: string) {
  for (let after: string | undefined; ; ) {
    const rows = await catalog.list(name, { after, prefix, limit: PAGE })
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = last.key
  }
}

async function drop(result: Dropped, { catalog }: Pick<Repositories, 'catalog'>, row: ObjectRow) {
  await catalog.forget(row)
  count(result, row)
}

function count(result: Dropped, { repository, path, sha256, size }: ObjectRow): void {
  result.objects++
  result.bytes += size
  if (result.dropped.length < TOLD) result.dropped.push({ repository, path, sha256, size })
  else result.hasMore = true
}

function nothing(): Dropped {
  return { objects: 0, bytes: 0, dropped: [], hasMore: false }
}

function told({ services }: Repositories, result: Dropped): Dropped {
  if (result.objects > 0) {
    services.log.info('Objects dropped on request', { objects: result.objects, bytes: result.bytes })
  }
  return result
}

function refuseUploads({ name, kind }: RepositorySettings): void {
  if (kind !== 'local') return
  throw new Problem(
    'conflict',
    `Cannot flush ${name}: it is a local repository, what it holds was uploaded. Delete its files one by one`,
  )
}
