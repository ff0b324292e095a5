// Reads blobs back from the store and compares them with their names: slowly in the background, or all of them at
// once. A damaged blob goes, and with it the rows of remotes, so that it is fetched anew. Uploads keep their row:
// nobody else has the bytes, and their owner must hear of the loss.

import type { KnownBlob } from '../catalog/catalog.ts'
import type { StoredBlob } from '../ports/blob-store.ts'
import type { Repositories } from '../repositories/repositories.ts'
import { createThrottle, type Throttle } from './throttle.ts'

const PAGE = 100
const DAY_MS = 86_400_000

/** `unreadable`: the store failed to deliver it; nothing was dropped for that. */
export type BlobVerdict = 'sound' | 'damaged' | 'missing' | 'unreadable'

export interface CheckedBlob extends KnownBlob {
  readonly verdict: BlobVerdict
  /** `repository/key` of what is concerned; empty when sound. */
  readonly objects: readonly string[]
}

export interface Verified {
  readonly blobs: number
  readonly bytes: number
  readonly faulty: readonly CheckedBlob[]
}

/** All blobs, at full speed. `report` hears of each. */
export async function verify(
  repositories: Repositories,
  report: (blob: CheckedBlob) => void = () => {},
  signal?: AbortSignal,
): Promise<Verified> {
  const faulty: CheckedBlob[] = []
  let blobs = 0
  let bytes = 0
  for (let after = ''; ; ) {
    const page = await repositories.catalog.blobsAfter(after, PAGE)
    for (const blob of page) {
      const checked = await check(repositories, blob, null, signal)
      if (checked === null) return { blobs, bytes, faulty }
      blobs++
      bytes += blob.size
      if (checked.verdict !== 'sound') faulty.push(checked)
      report(checked)
      after = blob.sha256
    }
    if (page.length < PAGE) return { blobs, bytes, faulty }
  }
}

/** Those not looked at for a day, the longest first, at the operator's pace, until none is left or `signal` aborts. */
export async function scrub(repositories: Repositories, signal: AbortSignal): Promise<void> {
  const { services, catalog } = repositories
  const rate = services.options.scrubBytesPerSecond
  if (rate <= 0) return
  const throttle = createThrottle(services.clock, rate)
  for (;;) {
    const page = await catalog.leastVerified(services.clock.now() - DAY_MS, PAGE)
    if (page.length === 0) return
    for (const blob of page) {
      if ((await check(repositories, blob, throttle, signal)) === null) return
    }
  }
}

/** Null when `signal` aborted. */
async function check(
  repositories: Repositories,
  blob: KnownBlob,
  throttle: Throttle | null,
  signal?: AbortSignal,
): Promise<CheckedBlob | null> {
  const { catalog, services } = repositories
  const verdict = await judgeBlob(repositories, blob, throttle, signal)
  if (verdict === null) return null
  services.meter.counter('artifactapi_scrubbed_bytes_total').value += blob.size
  const objects = verdict === 'sound' ? [] : await settle(repositories, blob, verdict)
  // Also what is not sound: it is looked at again tomorrow, and does not hold up the others until then.
  await catalog.verified(blob.sha256)
  return { ...blob, verdict, objects }
}

async function judgeBlob(
  { services }: Repositories,
  { sha256, size }: KnownBlob,
  throttle: Throttle | null,
  signal?: AbortSignal,
): Promise<BlobVerdict | null> {
  const store = services.coldBlobs ?? services.blobs
  const isThere = async () => (await store.open(sha256)) !== null
  const blob = await store.open(sha256, size)
  if (blob === null) return (await isThere()) ? 'damaged' : 'missing'
  const hash = services.hasher('sha256')
  try {
    for await (const chunk of piecesOf(blob)) {
      if (signal?.aborted) return null
      hash.update(chunk)
      await throttle?.spend(chunk.byteLength, signal)
    }
    if (signal?.aborted) return null
    return hash.hex() === sha256 ? 'sound' : 'damaged'
  } catch (error) {
    // It may have changed its size, or gone, while it was read; a store that fails says nothing about the blob.
    if ((await store.open(sha256, size)) === null) return (await isThere()) ? 'damaged' : 'missing'
    services.log.error(`Cannot read blob ${sha256} to verify it`, { error })
    return 'unreadable'
  }
}

/** The chunks of a blob; leaving early lets go of it. */
async function* piecesOf(blob: StoredBlob): AsyncGenerator<Uint8Array> {
  const reader = blob.stream().getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** Says what is concerned, and makes way for good bytes. */
async function settle(
  { services, catalog }: Repositories,
  { sha256, size }: KnownBlob,
  verdict: BlobVerdict,
): Promise<string[]> {
  const { blobs, coldBlobs = blobs, log, meter } = services
  // Bytes of the right length would be taken for good when they are fetched again, so they go first.
  if (verdict === 'damaged') await blobs.remove(sha256)
  const rows = await catalog.objectsOfBlob(sha256)
  if (verdict !== 'unreadable' && rows.length > 0) {
    meter.counter('artifactapi_damaged_blobs_total').value++
    const isBack = (await coldBlobs.open(sha256, size)) !== null
    for (const row of rows) if (!row.isPinned && !isBack) await catalog.forget(row)
    const uploads = rows.filter(row => row.isPinned).map(row => `${row.repository}/${row.key}`)
    log.error(
      `Blob ${sha256} is ${verdict}: ${uploads.length === 0 ? 'it is fetched again when it is asked for' : `upload again ${uploads.join(', ')}`}`,
      { sha256, size, verdict, objects: rows.length },
    )
  }
  return rows.map(row => `${row.repository}/${row.key}`)
}
