// Removes the bytes of blobs that no object names any more, once their grace has passed.
//
// Order, for each blob: claim its row, remove its bytes, drop its row. A row that is claimed still counts as
// condemned, so a crash at any point leaves a row that the next run finds and ends; bytes without a row, which
// nobody would ever find, cannot come to be. Bytes committed again meanwhile are safe at every point: a commit first
// announces itself in the row (claim or drop then find another time there and do nothing), then touches the bytes
// (`remove` spares what was committed since the condemnation, else the commit puts its own bytes in place).

import type { CondemnedBlob } from '../catalog/catalog.ts'
import type { Repositories } from '../repositories/repositories.ts'

const PAGE = 500

export interface Collected {
  readonly blobs: number
  readonly bytes: number
  /** Condemned, but still within their grace. */
  readonly waiting: { readonly blobs: number; readonly bytes: number }
  readonly isDryRun: boolean
}

export async function collect(
  repositories: Repositories,
  options: { readonly dryRun?: boolean; readonly signal?: AbortSignal } = {},
): Promise<Collected> {
  const { services, catalog } = repositories
  const { dryRun: isDryRun = false, signal } = options
  const before = services.clock.now() - services.options.collectGraceSeconds * 1000
  const due = isDryRun
    ? await catalog.condemnedSum(before)
    : await collectBefore(repositories, before, signal)
  const all = await catalog.condemnedSum(Number.MAX_SAFE_INTEGER)
  const done = isDryRun ? due : { blobs: 0, bytes: 0 }
  const waiting = { blobs: all.blobs - done.blobs, bytes: all.bytes - done.bytes }
  return { ...due, waiting, isDryRun }
}

async function collectBefore(repositories: Repositories, before: number, signal?: AbortSignal) {
  const { services, catalog } = repositories
  const counter = services.meter.counter('artifactapi_collected_blobs_total')
  let blobs = 0
  let bytes = 0
  for (;;) {
    const page = await catalog.condemned(before, PAGE)
    for (const blob of page) {
      if (signal?.aborted) return { blobs, bytes }
      if (!(await collectOne(repositories, blob))) continue
      blobs++
      bytes += blob.size
      counter.value++
    }
    if (page.length < PAGE) return { blobs, bytes }
  }
}

/** Every way out of here takes the blob out of the page it came from. */
async function collectOne({ services, catalog }: Repositories, blob: CondemnedBlob): Promise<boolean> {
  if (!(await catalog.claim(blob))) return false
  const isRemoved = await services.blobs.remove(blob.sha256, blob.condemnedAt)
  if (!isRemoved && (await services.blobs.open(blob.sha256)) !== null) {
    // Committed again since, by someone who has not told the catalog yet: it gets another grace.
    await catalog.announce(blob.sha256, blob.size)
    return false
  }
  return catalog.drop(blob)
}
