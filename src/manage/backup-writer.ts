// Writes the entries of a backup, in their order. It remembers their names only as one running hash.

import { type BackupEnd, type BackupManifest, sumOf } from '../model/backup.ts'
import type { Hasher } from '../ports/hasher.ts'
import { TAR_END, tarHeader, tarPadding } from '../streams/tar.ts'

/** Waits while whoever reads it is slow. */
export type WriteBytes = (bytes: Uint8Array) => Promise<void>

export interface BackupWriter {
  record(
    kind: 'backup' | 'repositories' | 'secrets' | `objects/${string}`,
    values: readonly object[],
  ): Promise<void>
  /** To be followed by exactly `size` bytes of `bytes` and by `endBlob`. */
  beginBlob(sha256: string, size: number, modifiedAt: number): Promise<void>
  bytes: WriteBytes
  endBlob(size: number): Promise<void>
  end(totals: Omit<BackupEnd, 'entries'>): Promise<void>
}

export function createBackupWriter(
  write: WriteBytes,
  hasher: Hasher,
  { createdAt }: Pick<BackupManifest, 'createdAt'>,
): BackupWriter {
  const encoder = new TextEncoder()
  const names = hasher('sha256')

  function note(name: string): string {
    names.update(encoder.encode(`${name}\n`))
    return name
  }

  async function file(stem: string, extension: 'json' | 'jsonl', values: readonly object[]): Promise<void> {
    const bytes = encoder.encode(values.map(value => `${JSON.stringify(value)}\n`).join(''))
    const hash = hasher('sha256')
    hash.update(bytes)
    const size = bytes.byteLength
    const name = `${stem}.${sumOf(hash.hex())}.${extension}`
    await write(tarHeader({ name: stem === 'end' ? name : note(name), size, modifiedAt: createdAt }))
    if (size > 0) await write(bytes)
    await pad(size)
  }

  async function pad(size: number): Promise<void> {
    const padding = tarPadding(size)
    if (padding.byteLength > 0) await write(padding)
  }

  return {
    record: (kind, values) => file(kind, kind === 'backup' ? 'json' : 'jsonl', values),
    beginBlob: (sha256, size, modifiedAt) =>
      write(tarHeader({ name: note(`blobs/sha256/${sha256}`), size, modifiedAt })),
    bytes: write,
    endBlob: pad,
    async end(totals) {
      await file('end', 'json', [{ ...totals, entries: names.hex() }])
      await write(TAR_END)
    },
  }
}
