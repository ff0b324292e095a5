// What a backup is made of: a tar whose records are JSON, each named by what it says and by a sum of its text, and whose
// blobs are named by their digests, so that everything in it proves itself before it is used.
//
//   backup.<sum>.json                what it is, and how much
//   repositories.<sum>.jsonl         those made through the API
//   secrets.<sum>.jsonl
//   blobs/sha256/<sha256>            bytes; void unless the objects that name them follow
//   objects/<sha256>.<sum>.jsonl     a thousand of them at most; as many records as it takes
//   end.<sum>.json                   it is whole

import { z } from 'zod'
import { isSha256 } from './digest.ts'
import { Problem } from './problem.ts'

export const BACKUP_VERSION = 1

const text = z.string()
const number = z.number().int()
const sha256 = z.string().refine(isSha256)

const manifest = z.object({
  format: z.literal('artifactapi-backup'),
  version: number,
  id: z.uuid(),
  createdAt: number,
  program: text,
  /** `uploads`: without what can be fetched again. */
  scope: z.enum(['all', 'uploads']),
  objects: number,
  blobs: number,
  /** Of all blobs. */
  bytes: number,
})

const end = z.object({
  id: z.uuid(),
  objects: number,
  blobs: number,
  bytes: number,
  /** Of the names of all entries before, one a line. */
  entries: sha256,
})

const repository = z.object({ name: text, settings: text, changedAt: number })
const secret = z.object({ name: text, value: text })

const object = z.object({
  repository: text,
  key: text,
  path: text,
  fileName: text,
  pathClass: z.enum(['mutable', 'immutable']),
  sha256,
  size: number.min(0),
  contentType: text.nullable(),
  contentEncoding: text.nullable(),
  etag: text.nullable(),
  lastModified: text.nullable(),
  storedAt: number,
  checkedAt: number,
  freshUntil: number.nullable(),
  publishedAt: number.nullable(),
  isPinned: z.boolean(),
  accessedAt: number,
  hits: number,
})

export type BackupManifest = z.output<typeof manifest>
export type BackupEnd = z.output<typeof end>
export type BackupObject = z.output<typeof object>

export type BackupEntry =
  | { readonly kind: 'backup' | 'repositories' | 'secrets' | 'end'; readonly sum: string }
  | { readonly kind: 'objects'; readonly sha256: string; readonly sum: string }
  | { readonly kind: 'blob'; readonly sha256: string }

/** Null: not a name that a backup has. */
export function parseBackupName(name: string): BackupEntry | null {
  const [, blob] = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name) ?? []
  if (blob !== undefined) return { kind: 'blob', sha256: blob }
  const [, named, objectsSum = ''] = /^objects\/([0-9a-f]{64})\.([0-9a-f]{16})\.jsonl$/.exec(name) ?? []
  if (named !== undefined) return { kind: 'objects', sha256: named, sum: objectsSum }
  const [, kind, sum = ''] = /^(backup|repositories|secrets|end)\.([0-9a-f]{16})\.jsonl?$/.exec(name) ?? []
  if (kind === 'backup' || kind === 'repositories' || kind === 'secrets' || kind === 'end')
    return { kind, sum }
  return null
}

/** What stands in the name of a record, of the sha256 of its text. */
export function sumOf(hex: string): string {
  return hex.slice(0, 16)
}

export function readManifest(line: string): BackupManifest {
  const found = read('what it is', manifest, line)
  if (found.version === BACKUP_VERSION) return found
  throw new Problem(
    'unprocessable',
    `Cannot restore: the backup has version ${found.version}, this program reads version ${BACKUP_VERSION}. Use the version of artifactapi that made it (${found.program})`,
  )
}

export const readEnd = (line: string): BackupEnd => read('its end', end, line)
export const readObject = (line: string): BackupObject => read('an object', object, line)
export const readRepository = (line: string) => read('a repository', repository, line)
export const readSecret = (line: string) => read('a secret', secret, line)

/** Never shows the line, which may hold a secret, nor a cause that quotes it. */
function read<Schema extends z.ZodType>(what: string, schema: Schema, line: string): z.output<Schema> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw unreadable(what)
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw unreadable(what)
}

function unreadable(what: string): Problem {
  return new Problem('unprocessable', `Cannot restore: the backup does not say ${what} as it should`)
}
