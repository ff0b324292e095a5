// What a backup writes, in its order: rows in groups that name the same blob, and the blob, opened ahead of its turn so that
// a far store is not waited for again and again.

import type { ListedObject } from '../catalog/catalog.ts'
import { readObject } from '../model/backup.ts'
import type { StoredBlob } from '../ports/blob-store.ts'
import type { Hasher } from '../ports/hasher.ts'
import type { Spool } from './spool.ts'
import { chunksOf, openSource, SourceFault, type Store } from './stores.ts'

/** Blobs that are opened before it is their turn. */
const AHEAD = 16
/** These are read before it is their turn, too. */
const SMALL_BYTES = 256 * 1024
const ROWS_AT_ONCE = 1000

/** Rows that name the same blob, or the first thousand of them. */
interface Group {
  readonly rows: readonly ListedObject[]
  readonly sha256: string
  readonly size: number
  readonly isFirst: boolean
}

export interface LoadedGroup extends Group {
  /** A fault, the blob, or all of its bytes, which are right. Null where it was written already. */
  readonly found: SourceFault | StoredBlob | Uint8Array | null
}

export interface GroupSource {
  readonly from: Store
  readonly hasher: Hasher
}

/** Of the rows that were put aside, in their order. */
export function loadGroups(source: GroupSource, spool: Spool): AsyncGenerator<LoadedGroup> {
  return loadedAhead(source, groupsOf(spool))
}

async function* groupsOf(spool: Spool): AsyncGenerator<Group> {
  let rows: ListedObject[] = []
  let isFirst = true
  const group = (): Group[] => {
    const [first] = rows
    return first === undefined ? [] : [{ rows, sha256: first.sha256, size: first.size, isFirst }]
  }
  for await (const line of spool.lines()) {
    const row = readObject(line)
    const isOther = rows[0] !== undefined && rows[0].sha256 !== row.sha256
    if (isOther || rows.length >= ROWS_AT_ONCE) {
      yield* group()
      rows = []
      isFirst = isOther
    }
    rows.push(row)
  }
  yield* group()
}

/** In the same order, while those that follow are on their way. */
async function* loadedAhead(source: GroupSource, groups: AsyncGenerator<Group>): AsyncGenerator<LoadedGroup> {
  const coming: Promise<LoadedGroup>[] = []
  for await (const group of groups) {
    const loading = load(source, group)
    // Whoever waits for it hears of it.
    loading.catch(() => {})
    coming.push(loading)
    const next = coming.length > AHEAD ? coming.shift() : undefined
    if (next !== undefined) yield await next
  }
  for (const loading of coming) yield await loading
}

async function load({ from, hasher }: GroupSource, group: Group): Promise<LoadedGroup> {
  const { sha256, size, isFirst } = group
  if (!isFirst) return { ...group, found: null }
  try {
    const blob = await openSource(from.blobs, sha256, size)
    return { ...group, found: size > SMALL_BYTES ? blob : await readWhole(blob, hasher) }
  } catch (error) {
    if (error instanceof SourceFault) return { ...group, found: error }
    throw error
  }
}

async function readWhole(blob: StoredBlob, hasher: Hasher): Promise<Uint8Array> {
  const bytes = new Uint8Array(blob.size)
  const hash = hasher('sha256')
  let filled = 0
  for await (const chunk of chunksOf(blob)) {
    hash.update(chunk)
    bytes.set(chunk.subarray(0, blob.size - filled), filled)
    filled += chunk.byteLength
  }
  if (filled === blob.size && hash.hex() === blob.sha256) return bytes
  throw new SourceFault('damaged')
}
