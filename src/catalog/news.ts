// Tells the other processes that use the same rows what this one changed, as soon as it is changed.

import type { ObjectRow } from '../model/object.ts'
import type { Broadcast } from '../ports/broadcast.ts'
import type { Catalog } from './catalog.ts'

/** Messages name a row: see `rowId`. */
export const ROWS = 'rows'
/** Messages name a repository. */
export const REPOSITORIES = 'repositories'

export function rowId(repository: string, key: string): string {
  return `${repository}\0${key}`
}

export function withNews(catalog: Catalog, broadcast: Broadcast | null): Catalog {
  if (broadcast === null) return catalog

  /** Also when it failed: whether the database did it may not be known. */
  async function telling<Result>(topic: string, name: string, change: Promise<Result>): Promise<Result> {
    try {
      return await change
    } finally {
      broadcast?.publish(topic, name)
    }
  }
  const nameOf = ({ repository, key }: ObjectRow) => rowId(repository, key)

  return {
    ...catalog,
    keep: row => telling(ROWS, nameOf(row), catalog.keep(row)),
    refresh: row => telling(ROWS, nameOf(row), catalog.refresh(row)),
    forget: row => telling(ROWS, nameOf(row), catalog.forget(row)),
    putRepository: (name, settings) => telling(REPOSITORIES, name, catalog.putRepository(name, settings)),
    dropRepository: name => telling(REPOSITORIES, name, catalog.dropRepository(name)),
  }
}
