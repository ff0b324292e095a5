// Repositories that are made through the API. They live in the database; those of the configuration file can be
// seen here, and are changed in the file.

import { isMap } from '../model/faults.ts'
import { Problem } from '../model/problem.ts'
import type { RepositorySettings } from '../model/repository.ts'
import { toRepository } from '../model/settings.ts'
import { redactRepository } from '../model/settings-print.ts'
import type { Repositories } from '../repositories/repositories.ts'
import { exclusively } from './exclusively.ts'
import { withKeptSecrets } from './kept-secrets.ts'
import { type Dropped, dropAll } from './objects.ts'

/** The two lists of the configuration. Local repositories are among the remotes, as they always were. */
export type Section = 'remotes' | 'virtuals'

/** A repository as the API shows it: in the words of the configuration, without secrets. */
export type RepositoryView = Readonly<Record<string, unknown>> & { readonly name: string }

/** What a view tells beyond what can be set; sent back, it is ignored. */
const READ_ONLY: readonly string[] = ['name', 'source', 'url', 'guide', 'has_credentials', 'has_ca_file']

export function listRepositories({ directory }: Repositories, section: Section): RepositoryView[] {
  return directory
    .all()
    .filter(settings => sectionOf(settings) === section)
    .map(viewOf)
}

export function getRepository(repositories: Repositories, section: Section, name: string): RepositoryView {
  return viewOf(requireIn(repositories, section, name))
}

/** Throws `conflict` when the name is taken, in either section. */
export async function createRepository(
  repositories: Repositories,
  section: Section,
  body: unknown,
): Promise<RepositoryView> {
  const name = isMap(body) ? body.name : undefined
  if (typeof name !== 'string' || name === '') {
    throw new Problem('unprocessable', 'Cannot create a repository: its name is missing ("name": "…")')
  }
  return alone(repositories, name, async () => {
    const current = repositories.directory.find(name)
    if (current !== null) {
      throw new Problem(
        'conflict',
        `Cannot create repository "${name}": there is one, ${whence(repositories, current)}`,
      )
    }
    return write(repositories, section, name, body, null)
  })
}

/**
 * Replaces everything, and creates what is not there. Only secrets that the body leaves out stay, and only while the
 * origin is the same: see `withKeptSecrets`. Kind and package type stay what they are, since objects are kept by them.
 */
export async function replaceRepository(
  repositories: Repositories,
  section: Section,
  name: string,
  body: unknown,
): Promise<{ readonly view: RepositoryView; readonly isNew: boolean }> {
  if (isMap(body) && body.name !== undefined && body.name !== name) {
    throw new Problem('unprocessable', `Cannot change repository "${name}": the body names another one`)
  }
  return alone(repositories, name, async () => {
    const current = repositories.directory.find(name)
    if (current !== null) refuseOthers(repositories, section, current)
    return { view: await write(repositories, section, name, body, current), isNew: current === null }
  })
}

/** Drops its objects too, uploads included. Says what was dropped. */
export async function deleteRepository(
  repositories: Repositories,
  section: Section,
  name: string,
): Promise<Dropped> {
  return alone(repositories, name, async () => {
    const { directory, catalog, services } = repositories
    refuseOthers(repositories, section, requireIn(repositories, section, name))
    const users = directory.all().filter(({ members }) => members.includes(name))
    if (users.length > 0) {
      const names = users.map(user => user.name).join(', ')
      throw new Problem('conflict', `Cannot delete repository "${name}": it is a member of ${names}`)
    }
    await catalog.dropRepository(name)
    await directory.refresh()
    const dropped = await dropAll(repositories, name)
    services.log.info(`Repository deleted: ${name}`, { objects: dropped.objects, bytes: dropped.bytes })
    return dropped
  })
}

async function write(
  repositories: Repositories,
  section: Section,
  name: string,
  body: unknown,
  current: RepositorySettings | null,
): Promise<RepositoryView> {
  const { directory, catalog, services } = repositories
  const entry = toEntry(section, name, body, current)
  const existing = new Map(directory.all().map(each => [each.name, each]))
  const settings = toRepository(name, entry, { existing })
  if (current === null) await clearLeftovers(repositories, settings)
  else refuseOtherNature(current, settings)
  await catalog.putRepository(name, JSON.stringify(entry))
  await directory.refresh()
  services.log.info(`Repository ${current === null ? 'created' : 'changed'}: ${name}`)
  return viewOf(settings)
}

function toEntry(section: Section, name: string, body: unknown, current: RepositorySettings | null): unknown {
  if (!isMap(body)) return body
  const type = body.type ?? (section === 'virtuals' ? 'virtual' : 'remote')
  if ((type === 'virtual') !== (section === 'virtuals')) {
    const right = section === 'remotes' ? 'virtuals' : 'remotes'
    throw new Problem(
      'unprocessable',
      `Cannot use repository "${name}": ${type} ones are managed under ${right}`,
    )
  }
  const given = Object.entries({ ...body, type }).filter(
    ([key, value]) => value !== undefined && !READ_ONLY.includes(key),
  )
  const entry = withKeptSecrets(Object.fromEntries(given), current?.origin ?? null)
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== null && value !== ''))
}

/** What a repository that had this name left behind is another origin's, and must not be served as the new one's. */
async function clearLeftovers(repositories: Repositories, { name, kind }: RepositorySettings): Promise<void> {
  await dropAll(repositories, name, row => !row.isPinned)
  const [upload] = await repositories.catalog.list(name, { limit: 1 })
  if (upload === undefined || kind === 'local') return
  throw new Problem(
    'conflict',
    `Cannot create repository "${name}": uploads to an earlier local one are kept; create it as local to reach them`,
  )
}

function refuseOtherNature(current: RepositorySettings, next: RepositorySettings): void {
  if (current.kind === next.kind && current.format === next.format) return
  throw new Problem(
    'conflict',
    `Cannot make repository "${current.name}" a ${next.kind} one for ${next.format}: it holds objects as a ${current.kind} one for ${current.format}. Delete it first`,
  )
}

function refuseOthers(repositories: Repositories, section: Section, current: RepositorySettings): void {
  const { name, source } = current
  if (source !== 'api') {
    throw new Problem(
      'conflict',
      `Cannot change repository "${name}": it is ${whence(repositories, current)}`,
    )
  }
  if (sectionOf(current) !== section) {
    throw new Problem(
      'conflict',
      `Cannot change repository "${name}": it is managed under ${sectionOf(current)}`,
    )
  }
}

function whence({ services }: Repositories, { source }: RepositorySettings): string {
  if (source === 'api') return 'made through the API'
  if (source === 'starter') return 'of the starter set; write a configuration file to have others'
  return `of ${services.settings.origin}, and is changed there`
}

/** One change of a name at a time, upon what the database says now. */
async function alone<Result>(
  repositories: Repositories,
  name: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const { services, directory } = repositories
  const done = await exclusively(services, `repository:${name}`, async () => {
    await directory.refresh()
    return { result: await work() }
  })
  if (done !== null) return done.result
  throw new Problem('conflict', `Cannot change repository "${name}": another request is changing it`)
}

function requireIn({ directory }: Repositories, section: Section, name: string): RepositorySettings {
  const found = directory.find(name)
  if (found !== null && sectionOf(found) === section) return found
  throw new Problem('not-found', `There is no repository "${name}" among the ${section}`)
}

function sectionOf({ kind }: RepositorySettings): Section {
  return kind === 'virtual' ? 'virtuals' : 'remotes'
}

function viewOf(settings: RepositorySettings): RepositoryView {
  return { name: settings.name, ...redactRepository(settings) }
}
