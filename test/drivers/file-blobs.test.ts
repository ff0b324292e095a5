import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFileBlobs } from '../../runtimes/shared/file-blobs.ts'
import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { describeBlobStore } from '../contracts/blob-store.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {}, line() {}, flush() {} }
const clock = { now: Date.now, sleep: async () => {} }

describeBlobStore('files', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'blobs-'))
  const open = () => createFileBlobs({ directory, hasher: nodeHasher, clock, log: silent })
  return { store: open(), other: open(), close: () => rm(directory, { recursive: true, force: true }) }
})
