// What the origin of the benchmark serves, as a function of path and size: every client can check what it got
// without having seen it before. Each MiB carries the path's mark and its own number, so nothing can be swapped.

import { createHash } from 'node:crypto'

export const pieceBytes = 1 << 20
const headBytes = 32

/** Incompressible and the same in every process. */
const filler = (() => {
  const bytes = Buffer.alloc(pieceBytes)
  let state = 0x9e3779b9
  for (let at = 0; at < bytes.length; at += 4) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes.writeInt32LE(state | 0, at)
  }
  return bytes
})()

/** The bytes from `offset`: of each piece its head, then the rest, which all share. */
export function* contentOf(path, size, offset = 0) {
  const mark = createHash('sha256').update(path).digest().subarray(0, 24)
  for (let start = offset - (offset % pieceBytes); start < size; start += pieceBytes) {
    const head = Buffer.alloc(headBytes)
    head.writeBigUInt64LE(BigInt(start / pieceBytes))
    mark.copy(head, 8)
    const length = Math.min(pieceBytes, size - start)
    const skip = Math.max(0, offset - start)
    yield head.subarray(Math.min(skip, headBytes), Math.min(length, headBytes))
    yield filler.subarray(Math.max(skip, headBytes), length)
  }
}

export function sha256Of(path, size) {
  const hash = createHash('sha256')
  for (const bytes of contentOf(path, size)) hash.update(bytes)
  return hash.digest('hex')
}
