// Reads tar archives as they come: ustar, pax and GNU's long names and sizes. One file after the other, each a piece at a
// time; nothing is held but the block at hand. An archive that ends inside a file fails, it never yields a short one.

import { Problem } from '../model/problem.ts'
import { BLOCK_BYTES } from './tar.ts'

export interface TarReader {
  /** The next entry; null at the end. What was not read of the one before is passed over. */
  next(): Promise<TarEntry | null>
  /** Lets go of the stream. */
  cancel(): Promise<void>
}

export interface TarEntry {
  readonly name: string
  readonly size: number
  /** `other`: links, devices and the like. */
  readonly kind: 'file' | 'directory' | 'other'
  /** The bytes, to be read once and before the next entry is asked for. */
  chunks(): AsyncGenerator<Uint8Array>
}

/** Extended headers are small; a long one is no archive of good faith. */
const EXTENSION_LIMIT_BYTES = 1024 * 1024

interface Extension {
  path?: string
  size?: number
}

export function createTarReader(stream: ReadableStream<Uint8Array>): TarReader {
  const source = createByteSource(stream)
  /** Bytes of the current entry, its padding included, that were not read yet. */
  let unread = 0

  async function next(): Promise<TarEntry | null> {
    await skip(unread)
    let extension: Extension = {}
    for (;;) {
      const block = await source.take(BLOCK_BYTES)
      if (block === null || block.every(byte => byte === 0)) return null
      const header = parseHeader(block, source.position - BLOCK_BYTES)
      if (header.type === 'x') extension = { ...extension, ...parsePax(await extensionOf(header)) }
      else if (header.type === 'L') extension = { ...extension, path: textOf(await extensionOf(header)) }
      else if (header.type === 'g' || header.type === 'K') await extensionOf(header)
      else
        return entryOf({
          ...header,
          name: extension.path ?? header.name,
          size: extension.size ?? header.size,
        })
    }
  }

  function entryOf({ name, size, type }: Header): TarEntry {
    const padding = (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES
    unread = size + padding
    return {
      name,
      size,
      kind: type === '0' || type === '\0' || type === '7' ? 'file' : type === '5' ? 'directory' : 'other',
      async *chunks() {
        while (unread > padding) {
          const chunk = await source.some(unread - padding)
          if (chunk === null) throw cut(name, size - (unread - padding), size)
          unread -= chunk.byteLength
          yield chunk
        }
      },
    }
  }

  async function extensionOf({ name, size }: Header): Promise<Uint8Array> {
    if (size > EXTENSION_LIMIT_BYTES) throw broken(`an extended header has ${size} bytes`)
    const bytes = await source.take(size)
    await skip((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES)
    if (bytes === null) throw cut(name, 0, size)
    return bytes
  }

  async function skip(bytes: number): Promise<void> {
    for (let rest = bytes; rest > 0; ) {
      const chunk = await source.some(rest)
      if (chunk === null) throw broken(`it ends ${rest} bytes before the end of a file`)
      rest -= chunk.byteLength
    }
    unread = 0
  }

  return { next, cancel: () => source.cancel() }
}

interface Header {
  readonly name: string
  readonly size: number
  readonly type: string
}

function parseHeader(block: Uint8Array, position: number): Header {
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0)
  if (numberOf(block.subarray(148, 156)) !== sum) throw broken(`there is no header at byte ${position}`)
  const name = textOf(block.subarray(0, 100))
  const isUstar = textOf(block.subarray(257, 263)) === 'ustar'
  const prefix = isUstar ? textOf(block.subarray(345, 500)) : ''
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: numberOf(block.subarray(124, 136)),
    type: String.fromCharCode(block[156] ?? 0),
  }
}

/** Octal digits; or, where the first bit is set, the number itself (GNU). */
function numberOf(field: Uint8Array): number {
  const first = field[0] ?? 0
  if ((first & 0x80) !== 0) {
    const value = field.reduce((total, byte, at) => total * 256 + (at === 0 ? byte & 0x7f : byte), 0)
    if (!Number.isSafeInteger(value)) throw broken('a number in it is too large')
    return value
  }
  const digits = textOf(field).trim()
  if (!/^[0-7]*$/.test(digits)) throw broken(`"${digits}" is no number`)
  return Number.parseInt(digits || '0', 8)
}

function parsePax(bytes: Uint8Array): Extension {
  const found: Extension = {}
  for (let at = 0; at < bytes.byteLength; ) {
    const blank = bytes.indexOf(0x20, at)
    const length = Number(textOf(bytes.subarray(at, Math.max(at, blank))))
    if (blank < 0 || !Number.isInteger(length) || length <= 0)
      throw broken('an extended header has no lengths')
    const [, key, value = ''] = /^([^=]+)=(.*)\n$/s.exec(textOf(bytes.subarray(blank + 1, at + length))) ?? []
    if (key === 'path') found.path = value
    if (key === 'size' && /^\d{1,15}$/.test(value)) found.size = Number(value)
    at += length
  }
  return found
}

function textOf(field: Uint8Array): string {
  const end = field.indexOf(0)
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end))
}

interface ByteSource {
  /** How many bytes were taken. */
  readonly position: number
  /** Exactly so many; null when the stream ends before the first. Fails when it ends after a part of them. */
  take(length: number): Promise<Uint8Array | null>
  /** One to `most`; null at the end. */
  some(most: number): Promise<Uint8Array | null>
  cancel(): Promise<void>
}

function createByteSource(stream: ReadableStream<Uint8Array>): ByteSource {
  const reader = stream.getReader()
  let rest: Uint8Array = new Uint8Array(0)
  let position = 0

  async function some(most: number): Promise<Uint8Array | null> {
    while (rest.byteLength === 0) {
      const { done, value } = await reader.read()
      if (done) return null
      rest = value
    }
    const chunk = rest.subarray(0, most)
    rest = rest.subarray(chunk.byteLength)
    position += chunk.byteLength
    return chunk
  }

  return {
    get position() {
      return position
    },
    some,
    async take(length) {
      const bytes = new Uint8Array(length)
      for (let filled = 0; filled < length; ) {
        const chunk = await some(length - filled)
        if (chunk === null && filled === 0) return null
        if (chunk === null) throw broken(`it ends after ${position} bytes, inside a header`)
        bytes.set(chunk, filled)
        filled += chunk.byteLength
      }
      return bytes
    },
    cancel: () => reader.cancel(),
  }
}

function cut(name: string, read: number, size: number): Problem {
  return broken(`it ends after ${read} of ${size} bytes of ${name}`)
}

function broken(reason: string): Problem {
  return new Problem('unprocessable', `Cannot read archive: ${reason}`)
}
