// Where things lie in an S3 bucket. Names are checked here and nowhere else: what is not a sha256 or an id of ours
// never becomes a key, and no other key is ever written to or removed.

import { isSha256 } from '../model/digest.ts'
import { Problem } from '../model/problem.ts'

export const BLOBS = 'blobs/sha256/'
export const STAGING = 'staging/'
/** Marks of removals that are under way. */
export const REMOVALS = `${STAGING}removing/`

export function blobKey(sha256: string): string {
  if (isSha256(sha256)) return BLOBS + sha256
  throw new Problem('internal', `Cannot name blob: "${sha256.slice(0, 80)}" is not a sha256`)
}

export function removalKey(sha256: string): string {
  return blobKey(sha256).replace(BLOBS, REMOVALS)
}

/** What a stage keeps in the bucket, all below one prefix. */
export interface StageKeys {
  readonly prefix: string
  /** Whole parts, as one object. */
  readonly body: string
  /** What is left of a suspended body, less than a part. */
  readonly tail: string
  /** Names a multipart copy to a blob, so that it can be aborted when nobody ends it. */
  readonly copying: string
  /** Waits to be resumed. Every suspension has a number of its own, drawn by lot. */
  suspended(number: string): string
  /** Somebody resumed it. */
  taken(number: string): string
}

export function stageKeys(id: string): StageKeys {
  const prefix = `${STAGING}${id}/`
  return {
    prefix,
    body: `${prefix}body`,
    tail: `${prefix}tail`,
    copying: `${prefix}copying`,
    suspended: number => `${prefix}suspended-${number}`,
    taken: number => `${prefix}taken-${number}`,
  }
}

export function isStageId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
}

/** The stage that a key belongs to; null: none of ours. */
export function stageOf(key: string): string | null {
  const id = key.slice(STAGING.length).split('/')[0] ?? ''
  return key.startsWith(STAGING) && isStageId(id) ? id : null
}
