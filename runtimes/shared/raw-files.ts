// Files by their number. A leaked fs/promises FileHandle crashes the process when it is collected (Bun 1.4,
// Node 26), so nothing here uses one; whoever opens a file closes it, after its last operation has ended.

import { Buffer } from 'node:buffer'
import * as fs from 'node:fs'
import { Problem } from '../../src/model/problem.ts'

type Done<T> = (error: Error | null, value: T) => void

export function openFile(path: string, flags: 'r' | 'r+' | 'wx+'): Promise<number> {
  return promised<number>(done => fs.open(path, flags, 0o644, done))
}

export function closeFile(fd: number): Promise<void> {
  return promised<void>(done => fs.close(fd, error => done(error ?? null)))
}

/** Reads until `bytes` is full or the file ends; says how many came. */
export async function readFully(fd: number, bytes: Uint8Array, position: number): Promise<number> {
  let filled = 0
  while (filled < bytes.byteLength) {
    const count = await promised<number>(done =>
      fs.read(fd, bytes, filled, bytes.byteLength - filled, position + filled, done),
    )
    if (count === 0) break
    filled += count
  }
  return filled
}

export async function writeFully(fd: number, chunks: readonly Uint8Array[], position: number): Promise<void> {
  let rest = chunks
  let at = position
  while (rest.length > 0) {
    const count = await promised<number>(done => fs.writev(fd, rest, at, done))
    if (count === 0) throw new Error('the file takes no more bytes')
    at += count
    rest = withoutFirst(rest, count)
  }
}

/** Everything, so that the bytes survive a power cut. */
export function syncFile(fd: number): Promise<void> {
  return promised<void>(done => fs.fsync(fd, error => done(error ?? null)))
}

/** Without times and the like: a little cheaper, to be ahead of `syncFile`. */
export function syncBytes(fd: number): Promise<void> {
  return promised<void>(done => fs.fdatasync(fd, error => done(error ?? null)))
}

/** So that names made or changed in it survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const fd = await openFile(path, 'r')
  try {
    await syncFile(fd)
  } finally {
    await closeFile(fd)
  }
}

export function touchFile(fd: number, at: Date): Promise<void> {
  return promised<void>(done => fs.futimes(fd, at, at, error => done(error ?? null)))
}

/** Not filled with zeros first, and not a slice of a pool others use. */
export function rawBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}

export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.some(code => code === error.code)
}

/** What the file system answered, in the words of the house. */
export function storeProblem(error: unknown, action: string): Problem {
  if (error instanceof Problem) return error
  const reason = error instanceof Error ? error.message : String(error)
  const code = hasCode(error, 'ENOSPC', 'EDQUOT') ? 'store-full' : 'store-broken'
  return new Problem(code, `${action}: ${reason}`, {}, { cause: error })
}

function promised<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null ? resolve(value) : reject(error)))
  })
}

function withoutFirst(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let skip = count
  for (const chunk of chunks) {
    if (skip < chunk.byteLength) rest.push(skip === 0 ? chunk : chunk.subarray(skip))
    skip = Math.max(0, skip - chunk.byteLength)
  }
  return rest
}
