// Where blobs and staged bytes lie below the directory. Names are checked here and nowhere else: what is not
// a sha256 or an id of ours never becomes a path.

import { join } from 'node:path'
import { isSha256 } from '../../src/model/digest.ts'
import { Problem } from '../../src/model/problem.ts'

export interface BlobLayout {
  readonly blobs: string
  readonly staging: string
  fanOut(sha256: string): string
  blob(sha256: string): string
  /** Being written, or being removed, by a process. */
  owned(name: string, owner: string, what: 'live' | 'trash'): string
  suspended(id: string): string
  /** What the suspended stage's caller asked for. */
  options(id: string): string
}

/** What a name in the staging directory means. */
export type StagedName =
  | { readonly kind: 'live'; readonly owner: string }
  | { readonly kind: 'trash'; readonly owner: string; readonly sha256: string; readonly since: number }
  | { readonly kind: 'suspended' }
  | { readonly kind: 'options' }

export function createBlobLayout(directory: string): BlobLayout {
  const blobs = join(directory, 'blobs', 'sha256')
  const staging = join(directory, 'blobs', 'staging')
  return {
    blobs,
    staging,
    fanOut: sha256 => join(blobs, checked(sha256).slice(0, 2)),
    blob: sha256 => join(blobs, checked(sha256).slice(0, 2), sha256),
    owned: (name, owner, what) => join(staging, `${name}.${owner}.${what}`),
    suspended: id => join(staging, `${id}.suspended`),
    options: id => join(staging, `${id}.options`),
  }
}

export function isStageId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
}

/** A name for a blob that is being removed unless it was committed since. */
export function trashName(sha256: string, since: number): string {
  return `${sha256}-${since}-${crypto.randomUUID()}`
}

/** Null: not a name of ours. */
export function parseStagedName(name: string): StagedName | null {
  const [first = '', second = '', third] = name.split('.')
  if (third === undefined) return second === 'suspended' || second === 'options' ? { kind: second } : null
  if (third === 'live') return { kind: 'live', owner: second }
  const [sha256 = '', since = ''] = first.split('-')
  const isTrash = third === 'trash' && isSha256(sha256) && /^\d+$/.test(since)
  return isTrash ? { kind: 'trash', owner: second, sha256, since: Number(since) } : null
}

function checked(sha256: string): string {
  if (isSha256(sha256)) return sha256
  throw new Problem('internal', `Cannot name blob: "${sha256.slice(0, 80)}" is not a sha256`)
}
