// Bodies of any size whose every byte is known from its offset, so that gigabytes can be sent, sliced and
// compared without being held. Each block carries its number: swapped, repeated or missing blocks are noticed.

import { createHash } from 'node:crypto'

const BLOCK_BYTES = 65_536

export interface Body {
  readonly size: number
  readonly sha256: string
  /** Bytes `[start, end)`. */
  slice(start?: number, end?: number): Uint8Array<ArrayBuffer>
  /** The same in pieces of at most 64 KiB. */
  chunks(start?: number, end?: number): Generator<Uint8Array<ArrayBuffer>>
}

/** A deterministic body of `size` bytes that does not compress; another `seed` is another body. */
export function pattern(size: number, seed = 1): Body {
  const noise = noiseBlock(seed)
  let sha256: string | null = null

  function block(index: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(noise)
    new DataView(bytes.buffer).setUint32(0, index)
    return bytes
  }

  function* chunks(start = 0, end = size) {
    for (let at = start; at < Math.min(end, size); ) {
      const index = Math.floor(at / BLOCK_BYTES)
      const from = at - index * BLOCK_BYTES
      const piece = block(index).subarray(from, Math.min(BLOCK_BYTES, from + Math.min(end, size) - at))
      at += piece.byteLength
      yield piece
    }
  }

  return {
    size,
    get sha256() {
      return (sha256 ??= hashOf(chunks()))
    },
    slice: (start = 0, end = size) => join(chunks(start, end)),
    chunks,
  }
}

/** A body of bytes at hand. */
export function bytesBody(content: string | Uint8Array): Body {
  const bytes = new Uint8Array(typeof content === 'string' ? new TextEncoder().encode(content) : content)
  function* chunks(start = 0, end = bytes.byteLength) {
    if (end > start) yield bytes.subarray(start, end)
  }
  return {
    size: bytes.byteLength,
    sha256: hashOf([bytes]),
    slice: (start = 0, end = bytes.byteLength) => bytes.subarray(start, end),
    chunks,
  }
}

export function sha256Of(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function hashOf(chunks: Iterable<Uint8Array>): string {
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

function noiseBlock(seed: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(BLOCK_BYTES / 4)
  let state = (seed * 2_654_435_761 + 1) >>> 0 || 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state >>> 0
  }
  return new Uint8Array(words.buffer)
}

function join(chunks: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> {
  const parts = [...chunks]
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.byteLength
  }
  return whole
}
