// The short way for what is asked most: a plain GET of a fresh object whose answer was made before, found by its raw
// URL, checked and sent without waiting for anything. It has the semantics of the long way or no answer at all: an
// entry holds only as long as its row and the configuration are the very ones it was made from.

import type { Catalog } from '../catalog/catalog.ts'
import { isFresh, type ObjectRow } from '../model/object.ts'
import type { StoredBlob } from '../ports/blob-store.ts'
import type { Clock } from '../ports/clock.ts'
import type { ReusableBody } from '../ports/delivery.ts'
import type { Log } from '../ports/log.ts'
import type { Counter, Meter } from '../ports/meter.ts'
import type { Directory } from '../repositories/directory.ts'
import type { Services } from '../services.ts'
import { factsOf, type Journal, MESSAGES, repoFacts } from './journal.ts'
import { storedHeaders } from './respond.ts'

const LIMIT_ENTRIES = 20_000
const ENTRY_BYTES = 1_024

export interface HotPath {
  /** The answer, or null: then the long way has to find one. Never waits. */
  answer(request: Request, rawTarget: string): Response | null
  /** Makes an entry of what the long way just sent whole. */
  remember(
    rawTarget: string,
    object: { repo: string; format: string; row: ObjectRow; blob: StoredBlob },
  ): void
}

interface Entry {
  readonly row: ObjectRow
  readonly body: ReusableBody
  /** Made once: a fresh object for each answer costs as much as a header. */
  readonly init: { readonly headers: Headers }
  readonly generation: number
  readonly weight: number
  readonly line: string
  readonly requests: Counter
  readonly bytes: Counter
  /** When the second began that its time-bound headers were made for. */
  second: number
  wasUsed: boolean
}

export interface HotPathParts {
  readonly services: Pick<Services, 'clock' | 'log' | 'meter' | 'delivery' | 'options'>
  readonly catalog: Catalog
  readonly directory: Directory
  readonly journal: Journal
}

export function createHotPath({ services, catalog, directory, journal }: HotPathParts): HotPath {
  const {
    clock,
    log,
    meter,
    delivery,
  }: { clock: Clock; log: Log; meter: Meter; delivery: Services['delivery'] } = services
  const limitBytes = services.options.hotCacheBytes / 2 // the other half holds the same bodies for the long way
  const entries = new Map<string, Entry>()
  let weight = 0

  function answer(request: Request, rawTarget: string): Response | null {
    const entry = entries.get(rawTarget)
    if (entry === undefined || request.method !== 'GET') return null
    const { headers } = request
    if (
      headers.get('range') !== null ||
      headers.get('if-none-match') !== null ||
      headers.get('if-modified-since') !== null
    )
      return null
    const now = clock.now()
    if (!holds(entry, now)) {
      drop(rawTarget, entry)
      return null
    }
    if (now - entry.second >= 1000) renew(entry, now)
    entry.wasUsed = true
    entry.requests.value++
    entry.bytes.value += entry.row.size
    catalog.touch(entry.row)
    log.line(MESSAGES.hit, `"id":"${journal.nextId()}",${entry.line}`)
    return new Response(entry.body.body, entry.init)
  }

  function holds({ row, generation, body }: Entry, now: number): boolean {
    return (
      isFresh(row, now) && generation === directory.generation() && catalog.isCurrent(row) && body.isWhole()
    )
  }

  function renew(entry: Entry, now: number): void {
    const fresh = storedHeaders(entry.row, 'hit', now)
    for (const name of ['age', 'cache-status']) entry.init.headers.set(name, fresh.get(name) ?? '')
    entry.second = secondOf(entry.row, now)
  }

  function drop(rawTarget: string, entry: Entry): void {
    entries.delete(rawTarget)
    weight -= entry.weight
  }

  /** Second chance: what was used since the last look stays once more. */
  function makeRoom(): void {
    for (const [rawTarget, entry] of entries) {
      if (weight <= limitBytes && entries.size <= LIMIT_ENTRIES) return
      drop(rawTarget, entry)
      if (!entry.wasUsed) continue
      entry.wasUsed = false
      entries.set(rawTarget, entry)
      weight += entry.weight
    }
  }

  return {
    answer,
    remember(rawTarget, { repo, format, row, blob }) {
      if (entries.has(rawTarget) || limitBytes === 0) return
      const body = delivery.reusable(blob)
      if (body === null) return
      const now = clock.now()
      const headers = storedHeaders(row, 'hit', now)
      headers.set('content-length', String(row.size))
      const ownBytes = blob.path !== undefined && blob.bytes === undefined ? 0 : row.size
      const entry: Entry = {
        row,
        body,
        init: { headers },
        generation: directory.generation(),
        weight: ENTRY_BYTES + ownBytes,
        line: `${factsOf('GET', rawTarget, undefined)},${repoFacts(repo, format, 'hit')},"status":200,"bytes":${row.size},"ms":0`,
        requests: meter.counter('artifactapi_requests_total', { repo, format, outcome: 'hit' }),
        bytes: meter.counter('artifactapi_client_bytes_total', { repo }),
        second: secondOf(row, now),
        wasUsed: false,
      }
      entries.set(rawTarget, entry)
      weight += entry.weight
      makeRoom()
    },
  }
}

/** The beginning of the second of `Age` in which `now` lies. */
function secondOf(row: ObjectRow, now: number): number {
  return now - ((now - row.checkedAt) % 1000)
}
