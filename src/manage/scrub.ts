// Reads blobs back from the store and compares them with their names: slowly in the background, or all of them at
// once. A damaged blob goes, and with it the rows of remotes, so that it is fetched anew. Uploads keep their row:
// nobody else has the bytes, and their owner must hear of the loss.

import type { KnownBlob } from '../catalog/catalog.ts'
import type { ObjectRow } from '../model/object.ts'
import type { StoredBlob } from '../ports/blob-store.ts'
import type { Repositories } from '../repositories/repositories.ts'
import { workThrough } from './crew.ts'
import { createThrottle, type Throttle } from './throttle.ts'

const PAGE = 100
const AT_ONCE = 4
/** As many as the catalog tells at once. */
const ROWS = 1000
const DAY_MS = 86_400_000

/**
 * `unreadable`: the store failed to deliver it; nothing was dropped for that. `misbooked`: the bytes are right, and the
 * books have another size.
 */
export type BlobVerdict = 'sound' | 'damaged' | 'missing' | 'unreadable' | 'misbooked'

export interface CheckedBlob extends KnownBlob {
  readonly verdict: BlobVerdict
  /** `repository/key` of what is concerned; empty when sound. */
  readonly objects: readonly string[]
  /** Those of them that nobody can bring again but who uploaded them: their bytes are lost. */
  readonly lost: readonly string[]
}

export interface Verified {
  readonly blobs: number
  readonly bytes: number
  readonly faulty: readonly CheckedBlob[]
}

/** All blobs, at full speed. `report` hears of each when it was settled, and is waited for. */
export async function verify(
  repositories: Repositories,
  report: (blob: CheckedBlob) => unknown = () => {},
  signal?: AbortSignal,
): Promise<Verified> {
  const faulty: CheckedBlob[] = []
  let blobs = 0
  let bytes = 0
  await workThrough(blobsOf(repositories, signal), AT_ONCE, async blob => {
    const checked = await check(repositories, blob, null, signal)
    if (checked === null) return
    blobs++
    bytes += blob.size
    if (checked.verdict !== 'sound') faulty.push(checked)
    await report(checked)
  })
  return { blobs, bytes, faulty }
}

async function* blobsOf({ catalog }: Repositories, signal?: AbortSignal): AsyncGenerator<KnownBlob> {
  for (let after = ''; !signal?.aborted; ) {
    const page = await catalog.blobsAfter(after, PAGE)
    yield* page
    after = page.at(-1)?.sha256 ?? ''
    if (page.length < PAGE) return
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
  const rows = verdict === 'sound' ? [] : await settle(repositories, blob, verdict)
  // Also what is not sound: it is looked at again tomorrow, and does not hold up the others until then.
  await catalog.verified(blob.sha256)
  const isLost = verdict === 'damaged' || verdict === 'missing'
  return {
    ...blob,
    verdict,
    objects: rows.map(nameOf),
    lost: isLost ? rows.filter(row => row.isPinned).map(nameOf) : [],
  }
}

async function judgeBlob(
  { services }: Repositories,
  { sha256, size }: KnownBlob,
  throttle: Throttle | null,
  signal?: AbortSignal,
): Promise<BlobVerdict | null> {
  const store = services.coldBlobs ?? services.blobs
  const blob = (await store.open(sha256, size)) ?? (await store.open(sha256))
  if (blob === null) return 'missing'
  const hash = services.hasher('sha256')
  try {
    for await (const chunk of piecesOf(blob)) {
      if (signal?.aborted) return null
      hash.update(chunk)
      await throttle?.spend(chunk.byteLength, signal)
    }
    if (signal?.aborted) return null
    if (hash.hex() !== sha256) return 'damaged'
    return blob.size === size ? 'sound' : 'misbooked'
  } catch (error) {
    // It may have changed its size, or gone, while it was read; a store that fails says nothing about the blob.
    const now = await store.open(sha256)
    if (now === null) return 'missing'
    if (now.size !== blob.size) return 'damaged'
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

/** Makes way for good bytes. Tells the rows that are concerned. */
async function settle(
  { services, catalog }: Repositories,
  { sha256, size }: KnownBlob,
  verdict: BlobVerdict,
): Promise<ObjectRow[]> {
  const { blobs, coldBlobs = blobs, log, meter } = services
  // Bytes of the right length would be taken for good when they are fetched again, so they go first.
  if (verdict === 'damaged') await blobs.remove(sha256)
  if (verdict === 'misbooked') log.error(`Blob ${sha256} has not the ${size} bytes that the books say`)
  if (verdict === 'misbooked' || verdict === 'unreadable') return catalog.objectsOfBlob(sha256)
  const concerned: ObjectRow[] = []
  for (;;) {
    const rows = await catalog.objectsOfBlob(sha256)
    const isBack = (await coldBlobs.open(sha256, size)) !== null
    const dropped = isBack ? [] : rows.filter(row => !row.isPinned)
    for (const row of dropped) await catalog.forget(row)
    concerned.push(...dropped)
    // Only what stays is left, or there may be more behind it.
    if (rows.length < ROWS || dropped.length === 0) {
      concerned.push(...rows.filter(row => !dropped.includes(row)))
      break
    }
  }
  if (concerned.length > 0) {
    meter.counter('artifactapi_damaged_blobs_total').value++
    const uploads = concerned.filter(row => row.isPinned).map(nameOf)
    log.error(
      `Blob ${sha256} is ${verdict}: ${uploads.length === 0 ? 'it is fetched again when it is asked for' : `upload again ${uploads.join(', ')}`}`,
      { sha256, size, verdict, objects: concerned.length },
    )
  }
  return concerned
}

function nameOf({ repository, key }: ObjectRow): string {
  return `${repository}/${key}`
}
