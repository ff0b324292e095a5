// BlobStore decorator that keeps small bodies in bounded memory, least recently used going first. A blob at
// hand is answered without asking the store below; whatever is removed or committed through here is cleared. What comes
// into memory is held against its name first: what is served from here is right, whatever happens to the store below.

import { Problem } from '../model/problem.ts'
import type { BlobStore, Stage, StoredBlob } from '../ports/blob-store.ts'
import type { Hasher } from '../ports/hasher.ts'
import { streamBytes } from './stream-bytes.ts'

/** What an entry costs beside its bytes: map slot, name, object. */
const ENTRY_BYTES = 400

export interface HotBlobs extends BlobStore {
  /** The body when it is in memory, without waiting. Not to be written to. */
  peek(sha256: string): Uint8Array<ArrayBuffer> | null
  /** Memory in use, entries' own cost included. */
  readonly usedBytes: number
}

export interface HotBlobsOptions {
  readonly hasher: Hasher
  /** All bodies together. */
  readonly limitBytes: number
  /** Larger bodies are left to the store. */
  readonly bodyLimitBytes?: number
}

interface HotBlob extends StoredBlob {
  readonly bytes: Uint8Array<ArrayBuffer>
}

export function withHotBlobs(store: BlobStore, options: HotBlobsOptions): HotBlobs {
  const { hasher, limitBytes, bodyLimitBytes = 256 * 1024 } = options
  const hot = createHotMap(limitBytes)
  const loading = new Map<string, Promise<StoredBlob | null>>()

  function forget(sha256: string): void {
    loading.delete(sha256)
    hot.forget(sha256)
  }

  /** Loads a blob once for all who ask meanwhile. What was cleared meanwhile is handed out but not kept. */
  function load(blob: StoredBlob): Promise<StoredBlob | null> {
    const running = loading.get(blob.sha256)
    if (running !== undefined) return running
    const job = readWhole(store, blob, hasher)
      .then(loaded => {
        if (loaded !== null && loading.get(blob.sha256) === job) hot.keep(loaded)
        return loaded
      })
      .finally(() => {
        if (loading.get(blob.sha256) === job) loading.delete(blob.sha256)
      })
    loading.set(blob.sha256, job)
    return job
  }

  function watch(stage: Stage): Stage {
    return {
      id: stage.id,
      get offset() {
        return stage.offset
      },
      write: chunk => stage.write(chunk),
      async commit(announce) {
        const committed = await stage.commit(announce)
        forget(committed.sha256)
        return committed
      },
      suspend: () => stage.suspend(),
      discard: () => stage.discard(),
      read: stage.read?.bind(stage),
      close: stage.close?.bind(stage),
    }
  }

  return {
    get usedBytes() {
      return hot.usedBytes
    },
    peek: sha256 => hot.find(sha256)?.bytes ?? null,
    async open(sha256, size) {
      const found = hot.find(sha256)
      if (found !== null && (size === undefined || size === found.size)) return found
      const blob = await store.open(sha256, size)
      if (blob === null || blob.bytes !== undefined || blob.size > bodyLimitBytes) return blob
      return blob.size + ENTRY_BYTES > limitBytes ? blob : load(blob)
    },
    stage: async options => watch(await store.stage(options)),
    async resume(id) {
      const stage = await store.resume(id)
      return stage === null ? null : watch(stage)
    },
    async remove(sha256, unlessCommittedSince) {
      forget(sha256)
      const isRemoved = await store.remove(sha256, unlessCommittedSince)
      // Again: someone may have loaded it while it was going.
      forget(sha256)
      return isRemoved
    },
    list: cursor => store.list(cursor),
    sweep: before => store.sweep(before),
    link: store.link?.bind(store),
    freeBytes: store.freeBytes?.bind(store),
  }
}

interface HotMap {
  readonly usedBytes: number
  find(sha256: string): HotBlob | null
  keep(blob: HotBlob): void
  forget(sha256: string): void
}

/** Least recently used first, as a Map keeps its order of insertion. */
function createHotMap(limitBytes: number): HotMap {
  const blobs = new Map<string, HotBlob>()
  let usedBytes = 0

  function forget(sha256: string): void {
    const found = blobs.get(sha256)
    if (found === undefined) return
    blobs.delete(sha256)
    usedBytes -= found.size + ENTRY_BYTES
  }

  return {
    get usedBytes() {
      return usedBytes
    },
    find(sha256) {
      const found = blobs.get(sha256)
      if (found === undefined) return null
      blobs.delete(sha256)
      blobs.set(sha256, found)
      return found
    },
    keep(blob) {
      forget(blob.sha256)
      blobs.set(blob.sha256, blob)
      usedBytes += blob.size + ENTRY_BYTES
      for (const oldest of blobs.keys()) {
        if (usedBytes <= limitBytes) break
        forget(oldest)
      }
    },
    forget,
  }
}

/** Null when the blob went away, or turned out damaged, between being found and being read. */
async function readWhole(store: BlobStore, blob: StoredBlob, hasher: Hasher): Promise<HotBlob | null> {
  const bytes = new Uint8Array(blob.size)
  let filled = 0
  try {
    for await (const chunk of blob.stream()) {
      bytes.set(chunk, filled)
      filled += chunk.byteLength
    }
  } catch (error) {
    if ((await store.open(blob.sha256, blob.size)) === null) return null
    throw error
  }
  if (filled !== blob.size) {
    throw new Problem('store-broken', `Cannot read blob ${blob.sha256}: ${filled} of ${blob.size} bytes came`)
  }
  const hash = hasher('sha256')
  hash.update(bytes)
  return hash.hex() === blob.sha256 ? { ...blob, bytes, stream: range => streamBytes(bytes, range) } : null
}
