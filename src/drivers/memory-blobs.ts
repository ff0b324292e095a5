// BlobStore in memory, for tests and for set-ups that need nothing after a restart. With `limitBytes`, what
// would exceed it (staged bytes count too) is refused as a full disk would.

import { Problem } from '../model/problem.ts'
import type { BlobStore, Stage, StageOptions, StoredBlob } from '../ports/blob-store.ts'
import type { Clock } from '../ports/clock.ts'
import type { Hasher } from '../ports/hasher.ts'
import { createStagedDigests } from './staged-digests.ts'
import { streamBytes } from './stream-bytes.ts'

const PAGE_SIZE = 1000

interface MemoryBlobsParts {
  readonly hasher: Hasher
  readonly clock: Clock
  readonly limitBytes?: number
}

interface Body {
  readonly chunks: Uint8Array[]
  size: number
}

interface Room {
  readonly limitBytes: number
  usedBytes: number
}

interface Suspended {
  readonly body: Body
  readonly options: StageOptions
  readonly at: number
}

export function createMemoryBlobs({ hasher, clock, limitBytes }: MemoryBlobsParts): BlobStore {
  const blobs = new Map<string, { bytes: Uint8Array<ArrayBuffer>; committedAt: number }>()
  const suspended = new Map<string, Suspended>()
  const room: Room = { limitBytes: limitBytes ?? Number.POSITIVE_INFINITY, usedBytes: 0 }

  function keep(sha256: string, body: Body): void {
    const existing = blobs.get(sha256)
    if (existing !== undefined) room.usedBytes -= body.size
    blobs.set(sha256, { bytes: existing?.bytes ?? join(body, 0, body.size), committedAt: clock.now() })
  }

  function suspend(id: string, body: Body, options: StageOptions): void {
    suspended.set(id, { body, options, at: clock.now() })
  }

  function open(id: string, body: Body, options: StageOptions): Stage {
    return createMemoryStage(id, body, options, { hasher, room, keep, suspend })
  }

  return {
    async open(sha256, size) {
      const bytes = blobs.get(sha256)?.bytes
      return bytes === undefined || (size ?? bytes.byteLength) !== bytes.byteLength
        ? null
        : storedBytes(sha256, bytes)
    },
    async stage(options = {}) {
      if ((options.size ?? 0) > room.limitBytes - room.usedBytes) throw full(room)
      return open(crypto.randomUUID(), { chunks: [], size: 0 }, options)
    },
    async resume(id) {
      const found = suspended.get(id)
      suspended.delete(id)
      return found === undefined ? null : open(id, found.body, found.options)
    },
    async remove(sha256, unlessCommittedSince = Number.POSITIVE_INFINITY) {
      const found = blobs.get(sha256)
      if (found === undefined || found.committedAt >= unlessCommittedSince) return false
      room.usedBytes -= found.bytes.byteLength
      return blobs.delete(sha256)
    },
    async list(cursor = '') {
      const names = [...blobs.keys()].filter(name => name > cursor).sort()
      const page = names.slice(0, PAGE_SIZE).flatMap(sha256 => {
        const blob = blobs.get(sha256)
        return blob === undefined
          ? []
          : [{ sha256, size: blob.bytes.byteLength, committedAt: blob.committedAt }]
      })
      return { blobs: page, cursor: names.length > PAGE_SIZE ? (page.at(-1)?.sha256 ?? null) : null }
    },
    async sweep(before) {
      const old = [...suspended].filter(([, { at }]) => at < before)
      for (const [id, { body }] of old) {
        suspended.delete(id)
        room.usedBytes -= body.size
      }
      return old.length
    },
    async freeBytes() {
      return room.limitBytes - room.usedBytes
    },
  }
}

interface StageParts {
  readonly hasher: Hasher
  readonly room: Room
  readonly keep: (sha256: string, body: Body) => void
  readonly suspend: (id: string, body: Body, options: StageOptions) => void
}

function createMemoryStage(id: string, body: Body, options: StageOptions, parts: StageParts): Stage {
  const digests = createStagedDigests(parts.hasher, options)
  for (const chunk of body.chunks) digests.update(chunk)
  let isSpent = false

  function spend(action: string): void {
    if (isSpent) throw new Problem('internal', `Cannot ${action} stage ${id}: it is spent`)
    isSpent = true
  }

  function drop(): void {
    parts.room.usedBytes -= body.size
    body.chunks.length = 0
    body.size = 0
  }

  return {
    id,
    get offset() {
      return body.size
    },
    async write(chunk) {
      if (isSpent) throw new Problem('internal', `Cannot write to stage ${id}: it is spent`)
      if (chunk.byteLength > parts.room.limitBytes - parts.room.usedBytes) throw full(parts.room)
      digests.update(chunk)
      body.chunks.push(chunk)
      body.size += chunk.byteLength
      parts.room.usedBytes += chunk.byteLength
    },
    async commit(announce) {
      spend('commit')
      try {
        const committed = digests.finish(body.size)
        await announce?.(committed)
        parts.keep(committed.sha256, body)
        return committed
      } catch (error) {
        drop()
        throw error
      }
    },
    async suspend() {
      spend('suspend')
      parts.suspend(id, body, options)
    },
    async discard() {
      if (isSpent) return
      isSpent = true
      drop()
    },
    async read(offset, limit) {
      return join(body, offset, Math.max(0, Math.min(limit, body.size - offset)))
    },
    async close() {},
  }
}

function storedBytes(sha256: string, bytes: Uint8Array<ArrayBuffer>): StoredBlob {
  return { sha256, size: bytes.byteLength, bytes, stream: range => streamBytes(bytes, range) }
}

function join(body: Body, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(length)
  let start = 0
  for (const chunk of body.chunks) {
    const from = Math.max(0, offset - start)
    const to = Math.min(chunk.byteLength, offset + length - start)
    if (from < to) joined.set(chunk.subarray(from, to), start + from - offset)
    start += chunk.byteLength
    if (start >= offset + length) break
  }
  return joined
}

function full(room: Room): Problem {
  return new Problem(
    'store-full',
    `Cannot stage body: ${room.usedBytes} of ${room.limitBytes} bytes are in use`,
    { limit: room.limitBytes },
  )
}
