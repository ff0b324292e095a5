// Drops staged bodies that nobody goes on with. A suspended one has its age; one that is being written shows it, so that
// only long silence means that its writer is gone. One call looks at a bounded number of objects, from anywhere on:
// over several calls all have their turn.

import type { R2BucketLike, R2ObjectLike } from './r2-bucket.ts'
import { deleteAll, STAGING, SUSPENDED } from './r2-parts.ts'

/** Much more than a living writer is ever silent for. */
const SILENCE_MS = 60 * 60_000
/** Of a thousand objects; more than the longest body has. */
const PAGES = 12

interface Body {
  readonly id: string
  readonly keys: string[]
  isSuspended: boolean
  writtenAt: number
}

/** `before`: when a suspended body was last written. Says how many bodies went. */
export async function sweepParts(bucket: R2BucketLike, before: number, now: number): Promise<number> {
  const silentSince = Math.min(before, now - SILENCE_MS)
  const old = (await stagedBodies(bucket)).filter(
    ({ isSuspended, writtenAt }) => writtenAt < (isSuspended ? before : silentSince),
  )
  await deleteAll(
    bucket,
    old.flatMap(({ keys }) => keys),
  )
  return old.length
}

/** Whole bodies only. */
async function stagedBodies(bucket: R2BucketLike): Promise<Body[]> {
  const bodies: Body[] = []
  // It lies between two bodies, because it is shorter than any name.
  const middle = `${STAGING}${crypto.randomUUID().slice(0, 8)}`
  let pages = 0

  function take({ key, uploaded }: R2ObjectLike): void {
    const [id = '', part] = key.slice(STAGING.length).split('/')
    let body = bodies.at(-1)
    if (body?.id !== id) {
      body = { id, keys: [], isSuspended: false, writtenAt: 0 }
      bodies.push(body)
    }
    body.keys.push(key)
    body.isSuspended ||= part === SUSPENDED
    body.writtenAt = Math.max(body.writtenAt, uploaded.getTime())
  }

  for (const half of ['after', 'before'] as const) {
    for (let cursor: string | undefined, isMore = true; isMore; ) {
      if (pages++ === PAGES) return bodies.slice(0, -1) // the last one may have more parts
      const startAfter = half === 'after' && cursor === undefined ? middle : undefined
      const page = await bucket.list({ prefix: STAGING, cursor, startAfter })
      const wanted = page.objects.filter(({ key }) => half === 'after' || key < middle)
      for (const object of wanted) take(object)
      cursor = page.cursor
      isMore = page.truncated && wanted.length === page.objects.length
    }
  }
  return bodies
}
