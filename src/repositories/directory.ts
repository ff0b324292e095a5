// All repositories by name: those of the configuration file, and those made through the API, which live in the
// database. The file wins a name that both have.

import type { Catalog } from '../catalog/catalog.ts'
import { REPOSITORIES } from '../catalog/news.ts'
import { Problem } from '../model/problem.ts'
import type { RepositorySettings } from '../model/repository.ts'
import { toRepository } from '../model/settings.ts'
import type { Broadcast } from '../ports/broadcast.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { SettingsSource } from '../ports/settings-source.ts'

/** Other processes may change the database's entries, and not be heard: they are read again when older than this. */
const REFRESH_MS = 10_000

export interface Directory {
  find(name: string): RepositorySettings | null
  all(): readonly RepositorySettings[]
  /** Grows with every change; decisions remembered under an older one are void. */
  generation(): number
  /** Makes sure that the database's entries were read, not long ago. */
  ready(): Promise<void>
  /** Reads the database's entries again now. */
  refresh(): Promise<void>
}

export function createDirectory(parts: {
  settings: SettingsSource
  catalog: Catalog
  /** By which other processes tell what they changed; null where there are none. */
  broadcast: Broadcast | null
  clock: Clock
  log: Log
}): Directory {
  const { settings, catalog, broadcast, clock, log } = parts
  let ofApi = new Map<string, RepositorySettings>()
  let ofApiText = ''
  let merged = new Map<string, RepositorySettings>()
  let generation = 0
  let readAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | null = null

  function merge(): void {
    merged = new Map(ofApi)
    for (const [name, repository] of settings.current().repositories) merged.set(name, repository)
    generation++
  }

  async function read(): Promise<void> {
    const rows = await catalog.repositories()
    readAt = clock.now()
    const text = JSON.stringify(rows)
    if (text === ofApiText) return
    const found = new Map<string, RepositorySettings>()
    for (const row of rows) {
      try {
        found.set(row.name, toRepository(row.name, JSON.parse(row.settings)))
      } catch (error) {
        log.error(`Cannot use repository ${row.name} of the database`, { error })
      }
    }
    ofApi = found
    ofApiText = text
    merge()
  }

  function join(): Promise<void> {
    reading ??= read().finally(() => {
      reading = null
    })
    return reading
  }

  /** A reading under way may have begun before the change that the caller wants to see: another one follows it. */
  async function refresh(): Promise<void> {
    await reading?.catch(() => {})
    await join()
  }

  function hear(): void {
    // Nothing was read yet that could be out of date.
    if (readAt === Number.NEGATIVE_INFINITY) return
    refresh().catch(error => log.warn('Cannot read the repositories that another process changed', { error }))
  }

  merge()
  settings.subscribe(merge)
  broadcast?.subscribe(REPOSITORIES, hear, hear)

  return {
    find: name => merged.get(name) ?? null,
    all: () => [...merged.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    generation: () => generation,
    refresh,
    async ready() {
      if (clock.now() - readAt < REFRESH_MS) return
      const isFirst = readAt === Number.NEGATIVE_INFINITY
      try {
        await join()
      } catch (error) {
        // The file's repositories go on while the database is away.
        readAt = clock.now()
        if (isFirst) log.error('Cannot read the repositories of the database', { error })
      }
    },
  }
}

export function requireRepository(directory: Directory, name: string): RepositorySettings {
  const found = directory.find(name)
  if (found !== null) return found
  throw new Problem('not-found', `There is no repository "${name}"`)
}
