// A store in one file and back: everything as of one moment, each byte proven, cut and damaged files told apart.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { createMemoryBlobs } from '../../src/drivers/memory-blobs.ts'
import { type BackedUp, backup } from '../../src/manage/backup.ts'
import type { MoveProgress } from '../../src/manage/move-gauge.ts'
import { BACKUP_TAIL_BYTES, hasBackupEnd, type Restored, restore } from '../../src/manage/restore.ts'
import type { ObjectFault, Store } from '../../src/manage/stores.ts'
import { TAR_END, tarHeader } from '../../src/streams/tar.ts'
import { createTarReader } from '../../src/streams/untar.ts'
import { sha256Of } from '../pattern-body.ts'
import { openTestStore, type TestStore } from './store-world.ts'

const LARGE = 'large '.repeat(100_000)

let from: TestStore
let to: TestStore
let faults: ObjectFault[]
let told: MoveProgress[]

beforeEach(async () => {
  from = await openTestStore()
  to = await openTestStore()
  faults = []
  told = []
})

interface Made extends BackedUp {
  readonly bytes: number
  readonly file: Uint8Array
}

async function make(more: { source?: Store; isWithoutCache?: boolean } = {}): Promise<Made> {
  const chunks: Uint8Array[] = []
  const { clock } = from
  const result = await backup({
    from: more.source ?? from,
    room: createMemoryBlobs({ hasher: nodeHasher, clock }),
    clock,
    hasher: nodeHasher,
    program: '1.2.3',
    isWithoutCache: more.isWithoutCache ?? false,
    write: async bytes => void chunks.push(bytes.slice()),
    report: progress => told.push(progress),
    fault: fault => faults.push(fault),
  })
  return { ...result, file: Buffer.concat(chunks) }
}

function bring(file: Uint8Array, more: { target?: Store; isForced?: boolean } = {}): Promise<Restored> {
  let at = 0
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= file.byteLength) return controller.close()
      controller.enqueue(file.slice(at, at + 10_000))
      at += 10_000
    },
  })
  return restore({
    from: stream,
    to: more.target ?? to,
    hasher: nodeHasher,
    isForced: more.isForced ?? false,
    report: progress => told.push(progress),
    fault: fault => faults.push(fault),
  })
}

const faultsOf = () => faults.map(({ fault, object }) => [fault, object])

async function namesOf(file: Uint8Array): Promise<string[]> {
  const reader = createTarReader(new Response(file.slice()).body as ReadableStream<Uint8Array>) // it was given one
  const names: string[] = []
  for (let entry = await reader.next(); entry !== null; entry = await reader.next()) names.push(entry.name)
  return names
}

async function fill(): Promise<void> {
  await from.keep('files/a', 'one', { hits: 40, accessedAt: 77, etag: '"x"', freshUntil: 99 })
  await from.keep('files/same', 'one')
  await from.keep('files/large', LARGE)
  await from.keep('files/empty', '')
  await from.keep('local/mine', 'upload', { isPinned: true })
  await from.catalog.putRepository('made', '{"base_url":"https://x.example"}')
  await from.catalog.secret('key', () => 'ours')
}

describe('a backup', () => {
  it('holds all that a store does, and is restored as it was', async () => {
    await fill()
    const made = await make()
    expect(made).toMatchObject({ objects: 5, blobs: 4, repositories: 1, secrets: 1, leftOut: 0, faults: 0 })
    const restored = await bring(made.file)
    expect(restored).toMatchObject({
      objects: 5,
      blobs: 4,
      repositories: 1,
      secrets: 1,
      outdated: 0,
      faults: 0,
    })
    expect(restored.createdAt).toBe(from.clock.now())
    expect(await to.contents()).toEqual(await from.contents())
    expect(await to.stock.objectsAfter(null, 100)).toEqual(await from.stock.objectsAfter(null, 100))
    expect(await to.stock.repositories()).toEqual(await from.stock.repositories())
    expect(await to.stock.secrets()).toEqual(await from.stock.secrets())
    expect(await to.catalog.usage()).toEqual(await from.catalog.usage())
    expect(await to.stock.restoring()).toBeNull()
  })

  it('of an empty store is whole, too', async () => {
    const { file } = await make()
    expect(await bring(file)).toMatchObject({ objects: 0, repositories: 0 })
  })

  it('without the cache holds uploads, repositories and secrets', async () => {
    await fill()
    const made = await make({ isWithoutCache: true })
    expect(made).toMatchObject({ objects: 1, blobs: 1, repositories: 1, secrets: 1 })
    await bring(made.file)
    expect(await to.contents()).toEqual({ 'local/mine': 'upload' })
  })

  it('can be looked into with tar', async () => {
    await fill()
    const { file } = await make()
    const directory = mkdtempSync(join(tmpdir(), 'artifactapi-backup-'))
    try {
      writeFileSync(join(directory, 'b.tar'), file)
      execFileSync('tar', ['xf', 'b.tar'], { cwd: directory })
      const path = join(directory, 'blobs/sha256', sha256Of(LARGE))
      expect(String(execFileSync('sha256sum', [path]))).toContain(sha256Of(LARGE))
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('takes more rows of one blob than a record holds', async () => {
    for (let i = 0; i < 2300; i++) await from.keep(`files/${i}`, 'the same')
    await from.keep('files/other', 'other')
    const { file } = await make()
    const records = (await namesOf(file)).filter(name => name.startsWith('objects/'))
    expect(records).toHaveLength(4)
    expect(await bring(file)).toMatchObject({ objects: 2301, blobs: 2 })
    expect(await to.contents()).toEqual(await from.contents())
  })

  it('shows one moment, whatever is written while it is made', async () => {
    for (let i = 0; i < 50; i++) await from.keep(`files/${i}`, `content ${i}`)
    const before = await from.contents()
    let isFirst = true
    const source: Store = {
      ...from,
      blobs: {
        ...from.blobs,
        async open(sha256, size) {
          if (isFirst) {
            isFirst = false
            await from.keep('files/later', 'later')
            await from.keep('files/1', 'changed', { checkedAt: 99 })
          }
          return from.blobs.open(sha256, size)
        },
      },
    }
    const { file } = await make({ source })
    await bring(file)
    expect(await to.contents()).toEqual(before)
  })

  it('tells how far it is, and so does restoring it', async () => {
    await from.keep('files/a', 'one')
    await from.keep('files/b', 'two!')
    const { file } = await make()
    const last = { pass: 1, objects: 2, bytes: 7, allObjects: 2, allBytes: 7 }
    expect(told.at(-1)).toEqual({ ...last, copiedBytes: 7 })
    await bring(file)
    expect(told.at(-1)).toMatchObject(last)
  })
})

describe('what is wrong with the source', () => {
  it.each(['tiny', LARGE])(
    'bytes that are damaged are reported, and left out with their rows',
    async content => {
      await from.keep('files/bad', content)
      await from.keep('local/bad', content, { isPinned: true })
      await from.keep('files/good', 'good')
      await from.damage(content)
      const made = await make()
      expect(made).toMatchObject({ objects: 1, blobs: 1, faults: 2, leftOut: 0 })
      expect(faultsOf()).toEqual([
        ['damaged', 'files/bad'],
        ['damaged', 'local/bad'],
      ])
      expect(await bring(made.file)).toMatchObject({ objects: 1, blobs: 1, faults: 0 })
      expect(await to.contents()).toEqual({ 'files/good': 'good' })
      expect(await to.blobs.open(sha256Of(content))).toBeNull()
    },
  )

  it('a large body that breaks off in the middle is void', async () => {
    await from.keep('files/large', LARGE)
    await from.keep('files/good', 'good')
    const source: Store = {
      ...from,
      blobs: {
        ...from.blobs,
        async open(sha256, size) {
          const blob = await from.blobs.open(sha256, size)
          if (blob === null || sha256 !== sha256Of(LARGE)) return blob
          let sent = 0
          const stream = () =>
            new ReadableStream<Uint8Array>({
              pull(controller) {
                if (sent++ > 2) controller.error(new Error('input/output error'))
                else controller.enqueue(new TextEncoder().encode(LARGE.slice(0, 50_000)))
              },
            })
          return { sha256, size: blob.size, stream }
        },
      },
    }
    const made = await make({ source })
    expect(made).toMatchObject({ objects: 1, faults: 1 })
    expect(faultsOf()).toEqual([['unreadable', 'files/large']])
    expect(await bring(made.file)).toMatchObject({ objects: 1, blobs: 1 })
    expect(await to.contents()).toEqual({ 'files/good': 'good' })
  })

  it('an object that the limits of the cache take meanwhile is left out, and nothing is wrong', async () => {
    const row = await from.keep('files/a', 'one')
    await from.keep('files/b', 'two')
    const source: Store = {
      ...from,
      blobs: {
        ...from.blobs,
        async open(sha256, size) {
          if (sha256 !== row.sha256) return from.blobs.open(sha256, size)
          await from.catalog.forget(row)
          return null
        },
      },
    }
    const made = await make({ source })
    expect(made).toMatchObject({ objects: 1, leftOut: 1, faults: 0 })
    await bring(made.file)
    expect(await to.contents()).toEqual({ 'files/b': 'two' })
  })

  it('a blob that is missing is reported', async () => {
    await from.keep('files/a', 'one')
    await from.blobs.remove(sha256Of('one'))
    expect(await make()).toMatchObject({ objects: 0, faults: 1 })
    expect(faultsOf()).toEqual([['missing', 'files/a']])
  })

  it('whoever reads the backup may fail: then it fails, and gives its room back', async () => {
    await fill()
    const room = createMemoryBlobs({ hasher: nodeHasher, clock: from.clock, limitBytes: 1_000_000 })
    const making = backup({
      from,
      room,
      clock: from.clock,
      hasher: nodeHasher,
      program: '1',
      isWithoutCache: false,
      write: () => Promise.reject(new Error('no space left')),
      report: () => {},
      fault: () => {},
    })
    await expect(making).rejects.toThrow('no space left')
    expect(await room.freeBytes?.()).toBe(1_000_000)
  })
})

describe('a store that is restored into', () => {
  it('must be empty', async () => {
    await fill()
    const { file } = await make()
    await to.keep('own/x', 'own')
    await expect(bring(file)).rejects.toThrow('Cannot restore: the store is not empty. With --force')
    expect(await to.contents()).toEqual({ 'own/x': 'own' })
    expect(await to.stock.repositories()).toEqual([])
  })

  it('with force gets what it has not, and keeps what is newer', async () => {
    await from.keep('files/a', 'backed up', { checkedAt: 10 })
    await from.keep('files/b', 'backed up', { checkedAt: 10 })
    await from.keep('files/c', 'same')
    await from.catalog.secret('key', () => 'theirs')
    const { file } = await make()
    await to.keep('files/a', 'newer', { checkedAt: 20 })
    await to.keep('files/b', 'older', { checkedAt: 5 })
    await to.keep('own/c', 'same')
    await to.catalog.secret('key', () => 'ours')
    const restored = await bring(file, { isForced: true })
    expect(restored).toMatchObject({ objects: 2, outdated: 1, blobs: 1, secrets: 0, keptSecrets: ['key'] })
    expect(await to.contents()).toEqual({
      'files/a': 'newer',
      'files/b': 'backed up',
      'files/c': 'same',
      'own/c': 'same',
    })
  })

  it('is not empty again after another backup was restored', async () => {
    await fill()
    const { file } = await make()
    await bring(file)
    await expect(bring(file)).rejects.toThrow('not empty')
  })

  it.each([1, 2, 4])(
    'that is killed at blob %i has nothing wrong, and goes on when it is run again',
    async nth => {
      await fill()
      const { file } = await make()
      let begun = 0
      const stage: Store['blobs']['stage'] = async options => {
        if (++begun >= nth) throw new Error('killed')
        return to.blobs.stage(options)
      }
      await expect(bring(file, { target: { ...to, blobs: { ...to.blobs, stage } } })).rejects.toThrow(
        'killed',
      )
      expect(Object.values(await to.contents())).not.toContain(null)
      const { blobs } = await bring(file)
      expect(blobs).toBe(4 - (nth - 1))
      expect(await to.contents()).toEqual(await from.contents())
    },
  )

  it('fails when its catalog does, after what began has ended', async () => {
    await fill()
    const { file } = await make()
    const place = () => Promise.reject(new Error('the database is away'))
    await expect(bring(file, { target: { ...to, stock: { ...to.stock, place } } })).rejects.toThrow('is away')
    expect(await to.contents()).toEqual({})
    expect(await bring(file)).toMatchObject({ objects: 5 })
  })
})

describe('a backup that is not whole', () => {
  it('is told by its end', async () => {
    await fill()
    const { file } = await make()
    expect(await hasBackupEnd(file.slice(-BACKUP_TAIL_BYTES), nodeHasher)).toBe(true)
    for (const lost of [1, 512, 1024, 1500, 2048, 50_000])
      expect(
        await hasBackupEnd(file.slice(0, -lost).slice(-BACKUP_TAIL_BYTES), nodeHasher),
        String(lost),
      ).toBe(false)
    const changed = file.slice(-BACKUP_TAIL_BYTES)
    changed[600] = (changed[600] ?? 0) ^ 1
    expect(await hasBackupEnd(changed, nodeHasher)).toBe(false)
    expect(await hasBackupEnd(new Uint8Array(0), nodeHasher)).toBe(false)
  })

  it('is refused wherever it was cut, after what came whole was restored', async () => {
    await fill()
    const { file } = await make()
    const whole = await from.contents()
    for (let length = 0; length < file.byteLength - 2048; length += 100_003) {
      const target = await openTestStore()
      const problem = await bring(file.slice(0, length), { target }).catch(error => error)
      expect(problem).toMatchObject({ code: 'unprocessable' })
      for (const [name, content] of Object.entries(await target.contents())) expect(content).toBe(whole[name])
      // Run again with the whole one, it goes on.
      await bring(file, { target })
      expect(await target.contents()).toEqual(whole)
    }
  })

  it('at an edge between entries is refused as well', async () => {
    await fill()
    const { file } = await make()
    const withoutEnd = file.slice(0, -BACKUP_TAIL_BYTES)
    await expect(bring(withoutEnd)).rejects.toThrow('Cannot restore: the backup ends without its last record')
    expect(await to.contents()).toEqual(await from.contents())
  })

  it('with a byte changed anywhere never restores a wrong byte', async () => {
    await fill()
    const { file } = await make()
    const whole = await from.contents()
    let found = 0
    for (let at = 0; at < file.byteLength; at += 7919) {
      const changed = file.slice()
      changed[at] = (changed[at] ?? 0) ^ 0x20
      const target = await openTestStore()
      faults = []
      const failure = await bring(changed, { target }).then(
        () => null,
        error => error,
      )
      if (failure !== null || faults.length > 0) found++
      for (const [name, content] of Object.entries(await target.contents())) expect(content).toBe(whole[name])
    }
    expect(found).toBeGreaterThan(20)
  })

  it('whose bytes are damaged reports each object they are of, and restores the others', async () => {
    await fill()
    const { file } = await make()
    const at = Buffer.from(file).indexOf('large large')
    file[at] = 0x21
    expect(await bring(file)).toMatchObject({ objects: 4, faults: 1 })
    expect(faultsOf()).toEqual([['damaged', 'files/large']])
    const { 'files/large': _, ...others } = await from.contents()
    expect(await to.contents()).toEqual(others)
  })

  it('that lost an entry in its middle is refused', async () => {
    await fill()
    const { file } = await make()
    const records = Buffer.from(file).indexOf('secrets.')
    const without = Buffer.concat([file.slice(0, records), file.slice(records + 1024)])
    await expect(bring(without)).rejects.toThrow('something is missing in the middle')
  })

  it('that is none is refused', async () => {
    await expect(bring(Buffer.from('no tar at all '.repeat(100)))).rejects.toThrow('Cannot read archive')
    const tar = Buffer.concat([tarHeader({ name: 'a.txt', size: 0, modifiedAt: 0 }), TAR_END])
    await expect(bring(tar)).rejects.toThrow('Cannot restore: this is no backup of artifactapi')
    expect(await to.stock.restoring()).toBeNull()
  })
})
