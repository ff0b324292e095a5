// Rows that were used lately, in front of a catalog: a bounded LRU. Whoever holds a row object can ask `isCurrent`
// whether it still holds: a row that was changed or dropped is another object, or gone.

import type { ObjectRow } from '../model/object.ts'
import type { Catalog } from './catalog.ts'

export function withRecent(catalog: Catalog, limitRows = 20_000): Catalog {
  const rows = new Map<string, ObjectRow>()
  // The same rows, to be told by identity at the least cost.
  const current = new Set<ObjectRow>()
  // A row read from the database while it was being changed must not overwrite the change.
  let changes = 0

  function remember(row: ObjectRow): void {
    const id = idOf(row.repository, row.key)
    drop(id)
    rows.set(id, row)
    current.add(row)
    if (rows.size > limitRows) {
      const oldest = rows.keys().next()
      if (!oldest.done) drop(oldest.value)
    }
  }

  function drop(id: string): void {
    const row = rows.get(id)
    if (row === undefined) return
    rows.delete(id)
    current.delete(row)
  }

  async function look(repository: string, key: string): Promise<ObjectRow | null> {
    const before = changes
    const row = await catalog.look(repository, key)
    if (before !== changes) return row
    if (row === null) drop(idOf(repository, key))
    else remember(row)
    return row
  }

  return {
    ...catalog,
    async find(repository, key) {
      const recent = rows.get(idOf(repository, key))
      if (recent !== undefined) {
        remember(recent)
        return recent
      }
      return look(repository, key)
    },
    look,
    isCurrent: row => current.has(row),
    async keep(row) {
      changes++
      drop(idOf(row.repository, row.key))
      await catalog.keep(row)
      changes++
      remember(row)
    },
    async refresh(row) {
      changes++
      drop(idOf(row.repository, row.key))
      const isThere = await catalog.refresh(row)
      changes++
      if (isThere) remember(row)
      return isThere
    },
    async forget(row) {
      changes++
      drop(idOf(row.repository, row.key))
      await catalog.forget(row)
      changes++
      drop(idOf(row.repository, row.key))
    },
  }
}

function idOf(repository: string, key: string): string {
  return `${repository}\0${key}`
}
