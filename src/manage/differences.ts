// Two catalogs side by side, row by row, a page of each in memory.

import type { ListedObject } from '../catalog/catalog.ts'
import type { Place, Stock } from '../catalog/stock.ts'
import { compareBytes } from '../model/byte-order.ts'

const PAGE = 500

export interface Difference {
  readonly row: ListedObject
  /** What the other catalog has in its place. */
  readonly theirs: ListedObject | null
}

/** Every row of `ours`, in order. Both may change meanwhile. */
export async function* compareStocks(ours: Stock, other: Stock): AsyncGenerator<Difference> {
  const others = rowsOf(other)
  let next = await others.next()
  for await (const row of rowsOf(ours)) {
    while (!next.done && comparePlaces(next.value, row) < 0) next = await others.next()
    const isThere = !next.done && comparePlaces(next.value, row) === 0
    yield { row, theirs: isThere && !next.done ? next.value : null }
  }
}

/** Use apart. */
export function isSameObject(one: ListedObject, other: ListedObject): boolean {
  const keys = Object.keys(one) as (keyof ListedObject)[]
  return keys.every(key => key === 'accessedAt' || key === 'hits' || one[key] === other[key])
}

async function* rowsOf(stock: Stock): AsyncGenerator<ListedObject> {
  for (let last: ListedObject | null = null; ; ) {
    const page: ListedObject[] = await stock.objectsAfter(last, PAGE)
    yield* page
    last = page.at(-1) ?? null
    if (last === null || page.length < PAGE) return
  }
}

function comparePlaces(one: Place, other: Place): number {
  return compareBytes(one.repository, other.repository) || compareBytes(one.key, other.key)
}
