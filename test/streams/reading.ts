// A reader that takes all it can get and tells how far it came, or takes as much as the test says.

import { streamBytes } from '../../src/drivers/stream-bytes.ts'
import type { StoredBlob } from '../../src/ports/blob-store.ts'
import { sha256Of } from '../pattern-body.ts'

export interface Reading {
  readonly bytes: number
  readonly state: 'open' | 'closed' | 'failed'
  /** Text so far. */
  readonly text: string
  /** Everything, when it has ended. Fails as the body fails. */
  all(): Promise<Uint8Array>
}

export function read(stream: ReadableStream<Uint8Array>): Reading {
  const chunks: Uint8Array[] = []
  let state: Reading['state'] = 'open'
  const ended = (async () => {
    try {
      for (const reader = stream.getReader(); ; ) {
        const { done, value } = await reader.read()
        if (done) break
        chunks.push(value.slice())
      }
      state = 'closed'
    } catch (error) {
      state = 'failed'
      throw error
    }
  })()
  ended.catch(() => {})
  return {
    get bytes() {
      return chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    },
    get state() {
      return state
    },
    get text() {
      return new TextDecoder().decode(join(chunks))
    },
    async all() {
      await ended
      return join(chunks)
    },
  }
}

export function blobOf(bytes: Uint8Array): StoredBlob {
  return {
    sha256: sha256Of(bytes),
    size: bytes.byteLength,
    stream: range => streamBytes(bytes, range),
  }
}

function join(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}
