// The directory everything is kept in, served by one process at a time: its lock names the process and when that
// started, so the lock of one that died, or of one whose number was given to another, is taken over.

import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { Problem } from '../../src/model/problem.ts'
import { currentOwner, isOwnerAlive } from './file-owner.ts'

/** A place in it as the operator wrote the directory: `join` would take the `./` away. */
export function below(dataDir: string, name: string): string {
  return dataDir.endsWith(sep) ? `${dataDir}${name}` : `${dataDir}${sep}${name}`
}

export interface DataDirLock {
  /** Twice is once. */
  release(): void
}

/** Throws a Problem that says what to do when the directory cannot be made or written to. */
export function createDataDir(path: string): void {
  usable(path, () => {
    makeDirectory(path)
    const probe = join(path, `.probe-${process.pid}`)
    writeFileSync(probe, '')
    rmSync(probe)
  })
}

/** Node's own `recursive` never ends where a file system refuses with ENOENT, as /proc does. */
function makeDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
  if (dirname(path) !== path && !existsSync(dirname(path))) makeDirectory(dirname(path))
  mkdirSync(path)
}

/** Throws `conflict` when another process serves from there. */
export function lockDataDir(path: string): DataDirLock {
  const lock = join(path, 'lock')
  const owner = currentOwner()
  const draft = `${lock}.${owner}`
  return usable(path, () => {
    writeFileSync(draft, `${owner}\n`)
    try {
      while (!canLink(draft, lock)) takeOver(path, lock, draft)
    } finally {
      rmSync(draft, { force: true })
    }
    return {
      release() {
        if (ownerOf(lock) === owner) rmSync(lock, { force: true })
      },
    }
  })
}

/** Moves the lock of a dead process out of the way. */
function takeOver(path: string, lock: string, draft: string): void {
  const holder = ownerOf(lock)
  if (holder === null) return
  if (isOwnerAlive(holder)) throw inUse(path, holder)
  const old = `${draft}.old`
  try {
    renameSync(lock, old)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  // Someone else may have taken it over in between: then that was a living lock, and goes back.
  const moved = ownerOf(old)
  const isStolen = moved !== holder && moved !== null
  if (isStolen) canLink(old, lock)
  rmSync(old, { force: true })
  if (isStolen) throw inUse(path, moved)
}

function inUse(path: string, holder: string): Problem {
  const [pid = ''] = holder.split('-')
  return new Problem(
    'conflict',
    `Cannot serve from DATA_DIR ${path}: process ${pid} does already. Stop it, or set DATA_DIR to another directory`,
  )
}

function canLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

function ownerOf(lock: string): string | null {
  try {
    return readFileSync(lock, 'utf8').trim()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not. Change its owner or mode, or set DATA_DIR',
  EPERM: 'this user may not. Change its owner or mode, or set DATA_DIR',
  EROFS: 'its file system is read-only. Mount it for writing, or set DATA_DIR',
  ENOSPC: 'the disk is full. Free space, or set DATA_DIR',
  EDQUOT: 'the quota is used up. Free space, or set DATA_DIR',
  ENOENT: 'it cannot be made there. Set DATA_DIR to a directory',
  ENOTDIR: 'part of that path is a file. Set DATA_DIR to a directory',
  EEXIST: 'it is a file. Set DATA_DIR to a directory',
}

function usable<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof Problem) throw error
    const reason = REASONS[codeOf(error)] ?? (error instanceof Error ? error.message : String(error))
    throw new Problem('store-broken', `Cannot write to DATA_DIR ${path}: ${reason}`, {}, { cause: error })
  }
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
}
