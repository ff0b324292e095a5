// Where a backup goes to and comes from: a file, or the pipes of this process. A file appears under its name when it is
// whole, for its owner alone: it holds secrets. `-` stands for standard output and standard input.

import { Buffer } from 'node:buffer'
import {
  closeSync,
  createReadStream,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import process from 'node:process'
import { stores } from '../../src/app.ts'
import { Problem } from '../../src/model/problem.ts'
import { streamFile } from './file-stream.ts'
import { nodeHasher } from './node-hasher.ts'
import { closeFile, openFile, readFully } from './raw-files.ts'

export interface BackupTarget {
  /** Takes the bytes over: they are not to be changed any more. */
  write(bytes: Uint8Array): Promise<void>
  /** It is whole. */
  finish(): Promise<void>
  /** It is of no use. After `finish` nothing happens. */
  discard(): void
}

/** Headers and small blobs are written together. */
const WRITE_BYTES = 256 * 1024

export function createBackupTarget(file: string): BackupTarget {
  const target = file === '-' ? toStandardOutput() : toFile(file)
  let pending: Uint8Array[] = []
  let bytes = 0

  async function flush(): Promise<void> {
    const all = pending
    pending = []
    bytes = 0
    if (all.length > 0) await target.write(Buffer.concat(all))
  }

  return {
    async write(chunk) {
      pending.push(chunk)
      bytes += chunk.byteLength
      if (bytes >= WRITE_BYTES) await flush()
    },
    async finish() {
      await flush()
      await target.finish()
    },
    discard: target.discard,
  }
}

/** Throws before anything was read when a file lacks its end. */
export async function openBackupSource(file: string): Promise<ReadableStream<Uint8Array>> {
  if (file === '-') {
    if (process.stdin.isTTY) throw new Problem('bad-request', 'Cannot restore from a terminal: give a FILE')
    return streamOf(process.stdin)
  }
  const found = statSync(file, { throwIfNoEntry: false })
  if (found === undefined) throw new Problem('not-found', `Cannot restore ${file}: there is no such file`)
  if (!found.isFile()) return streamOf(createReadStream(file))
  if (await hasEnd(file, found.size))
    return streamFile(file, { start: 0, end: found.size - 1 }, `Cannot read ${file}`)
  throw new Problem(
    'unprocessable',
    `Cannot restore ${file}: its end is missing, so it was cut, or is no backup. Nothing was changed`,
  )
}

function toFile(file: string): BackupTarget {
  const draft = `${file}.part`
  const attempt = <Result>(work: () => Result): Result => {
    try {
      return work()
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new Problem('store-broken', `Cannot write ${draft}: ${reason}`, {}, { cause: error })
    }
  }
  let isOpen = true
  const fd = attempt(() => {
    rmSync(draft, { force: true })
    return openSync(draft, 'wx', 0o600)
  })
  return {
    async write(bytes) {
      attempt(() => {
        for (let at = 0; at < bytes.byteLength; ) at += writeSync(fd, bytes, at)
      })
    },
    async finish() {
      attempt(() => {
        fsyncSync(fd)
        closeSync(fd)
        isOpen = false
        renameSync(draft, file)
      })
    },
    discard() {
      if (!isOpen) return
      isOpen = false
      closeSync(fd)
      rmSync(draft, { force: true })
    },
  }
}

function toStandardOutput(): BackupTarget {
  const { stdout } = process
  if (stdout.isTTY)
    throw new Problem('bad-request', 'Cannot write a backup to a terminal: give a FILE, or use a pipe')
  // Each write hears of its failure.
  stdout.on('error', () => {})
  return {
    write: bytes =>
      new Promise((resolve, reject) => {
        stdout.write(bytes, error => {
          if (error) reject(new Problem('store-broken', `Cannot write the backup: ${error.message}`))
          else resolve()
        })
      }),
    async finish() {},
    discard() {},
  }
}

async function hasEnd(file: string, size: number): Promise<boolean> {
  const fd = await openFile(file, 'r')
  try {
    const tail = new Uint8Array(Math.min(size, stores.backupTailBytes))
    await readFully(fd, tail, size - tail.byteLength)
    return await stores.hasBackupEnd(tail, nodeHasher)
  } finally {
    await closeFile(fd)
  }
}

function streamOf(source: AsyncIterable<unknown>): ReadableStream<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next()
        if (done) controller.close()
        else controller.enqueue(value as Uint8Array) // of a stream without an encoding
      },
      async cancel() {
        await chunks.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}
