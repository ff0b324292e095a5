// A process that writes blobs, to be killed at any moment or to be read from another runtime. Says one line for each
// thing done. `node blob-writer.ts <directory> hold|write|commit|once`

import { createFileBlobs } from '../../runtimes/shared/file-blobs.ts'
import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { bytesOf } from './sample-bytes.ts'

const [directory = '', mode = ''] = process.argv.slice(2)
const store = createFileBlobs({
  directory,
  hasher: nodeHasher,
  clock: { now: Date.now, sleep: async () => {} },
  log: { debug() {}, info() {}, warn() {}, error() {}, line() {}, flush() {} },
})

async function writeOne(seed: number): Promise<void> {
  const bytes = bytesOf(50_000 + (seed % 20) * 100_000, seed)
  const stage = await store.stage({ also: ['md5'] })
  for (let at = 0; at < bytes.length; at += 60_000) await stage.write(bytes.slice(at, at + 60_000))
  const { sha256, size } = await stage.commit()
  await stage.close?.()
  console.log(`${sha256} ${size}`)
}

if (mode === 'once') {
  await writeOne(1)
  const stage = await store.stage({ also: ['sha1'] })
  await stage.write(bytesOf(70_000, 2))
  await stage.suspend()
  console.log(stage.id)
} else if (mode === 'commit') {
  for (let seed = process.pid * 1000; ; seed++) await writeOne(seed)
} else {
  const stage = await store.stage()
  await stage.write(bytesOf(200_000, 1))
  console.log('written')
  while (mode === 'write') await stage.write(bytesOf(100_000, 2))
  setInterval(() => {}, 1000)
}
