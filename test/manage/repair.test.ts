// Everything that can be wrong in a store: found, set right as far as it can be, and found right the next time.

import { mkdtemp, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFileBlobs } from '../../runtimes/shared/file-blobs.ts'
import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { collect } from '../../src/manage/collector.ts'
import { type Finding, type Repaired, repair } from '../../src/manage/repair.ts'
import type { BlobStore } from '../../src/ports/blob-store.ts'
import { sha256Of } from '../pattern-body.ts'
import { createWorld, type World } from './world.ts'

let directory: string
let world: World
let findings: Finding[]

async function open(change: (store: BlobStore) => BlobStore = store => store): Promise<World> {
  const { services } = await createWorld()
  const { clock, log } = services
  return createWorld({
    services: { blobs: change(createFileBlobs({ directory, hasher: nodeHasher, clock, log })) },
  })
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'artifactapi-repair-'))
  world = await open()
})
afterEach(() => rm(directory, { recursive: true, force: true }))

async function mend(): Promise<Repaired> {
  findings = []
  return repair(world.repositories, finding => findings.push(finding))
}

/** The next time there is nothing to find. */
async function expectMended(): Promise<void> {
  expect(await mend()).toMatchObject({ found: 0, lost: 0, unreadable: 0 })
  expect(findings).toEqual([])
}

function change(sql: string, ...values: (string | number)[]) {
  return world.services.database.query(sql, values)
}

function pathOf(content: string): string {
  return join(directory, 'blobs/sha256', sha256Of(content).slice(0, 2), sha256Of(content))
}

async function flipByte(content: string): Promise<void> {
  const bytes = await readFile(pathOf(content))
  bytes[0] = (bytes[0] ?? 0) ^ 1
  await writeFile(pathOf(content), bytes)
}

function printFinding(finding: Finding): unknown[] {
  switch (finding.kind) {
    case 'blob':
      return [finding.verdict, ...finding.objects]
    case 'unbooked':
    case 'missized':
      return [finding.kind, finding.object]
    case 'stray':
    case 'unknown':
      return [finding.kind, finding.sha256]
    case 'figures':
      return [finding.kind, finding.repository, finding.bytes, finding.objects]
  }
}

const foundOf = () => findings.map(printFinding)

describe('repairing a store', () => {
  it('finds nothing wrong with what is right', async () => {
    await world.keep('files', 'a', 'one')
    await world.keep('more', 'b', 'one')
    await world.upload('store', 'mine', 'upload')
    expect(await mend()).toEqual({
      rows: 3,
      blobs: 2,
      bytes: 9,
      found: 0,
      lost: 0,
      unreadable: 0,
      unknown: 0,
      unknownBytes: 0,
    })
    expect(findings).toEqual([])
  })

  it('drops what is damaged or missing, so that it is fetched again', async () => {
    for (const path of ['flipped', 'short', 'gone', 'good'])
      await world.keep('files', path, `content of ${path}`)
    await flipByte('content of flipped')
    await truncate(pathOf('content of short'), 3)
    await unlink(pathOf('content of gone'))
    expect(await mend()).toMatchObject({ found: 3, lost: 0 })
    expect(foundOf().sort()).toEqual([
      ['damaged', 'files/flipped'],
      ['damaged', 'files/short'],
      ['missing', 'files/gone'],
    ])
    await expectMended()
    expect(await world.keys('files')).toEqual(['good'])
    await world.keep('files', 'flipped', 'content of flipped')
    await expectMended()
    expect(await world.keys('files')).toEqual(['flipped', 'good'])
  })

  it('keeps the rows of uploads that are lost, and says so each time', async () => {
    await world.upload('store', 'damaged', 'first')
    await world.upload('store', 'gone', 'second')
    await world.keep('files', 'same', 'first')
    await flipByte('first')
    await unlink(pathOf('second'))
    expect(await mend()).toMatchObject({ found: 2, lost: 2 })
    expect(foundOf().map(each => each.sort())).toContainEqual(['damaged', 'files/same', 'store/damaged'])
    expect(await mend()).toMatchObject({ found: 2, lost: 2 })
    expect(await world.keys('store')).toEqual(['damaged', 'gone'])
    expect(await world.keys('files')).toEqual([])
  })

  it('forgets all rows of a blob, however many', async () => {
    await world.keep('files', 'a', 'the same')
    for (let i = 0; i < 2500; i++) {
      await change(
        `insert into objects select repository, $1, path, file_name, path_class, sha256, size, content_type,
          content_encoding, etag, last_modified, stored_at, checked_at, fresh_until, published_at, is_pinned,
          accessed_at, hits from objects where key = 'a'`,
        `copy ${i}`,
      )
    }
    await unlink(pathOf('the same'))
    await mend()
    expect(await world.keys('files')).toEqual([])
    await expectMended()
  })

  it('books the blobs of rows that are not in the books', async () => {
    await world.keep('files', 'a', 'lost')
    await world.keep('files', 'b', 'condemned')
    await change('delete from blobs where sha256 = $1', sha256Of('lost'))
    await change('update blobs set condemned_at = 1 where sha256 = $1', sha256Of('condemned'))
    await mend()
    expect(foundOf()).toEqual([
      ['unbooked', 'files/a'],
      ['unbooked', 'files/b'],
      // That of the lost one is counted twice.
      ['figures', '', 4, 1],
    ])
    await world.clock.advance(86_400_000)
    expect(await collect(world.repositories)).toMatchObject({ blobs: 0 })
    await expectMended()
    expect(await readFile(pathOf('condemned'), 'utf8')).toBe('condemned')
  })

  it('reads back what it has just booked', async () => {
    await world.keep('files', 'a', 'lost')
    await change('delete from blobs')
    await unlink(pathOf('lost'))
    await mend()
    expect(foundOf()).toEqual([
      ['unbooked', 'files/a'],
      ['missing', 'files/a'],
      ['figures', '', 4, 1],
    ])
    await expectMended()
  })

  it('leaves what nobody names to the collector', async () => {
    await world.keep('files', 'a', 'named')
    await world.keep('files', 'b', 'stray')
    await change("delete from objects where key = 'b'")
    await world.clock.advance(1000)
    await mend()
    expect(foundOf()).toEqual([
      ['stray', sha256Of('stray')],
      ['figures', 'files', 5, 1],
    ])
    await world.clock.advance(86_400_000)
    expect(await collect(world.repositories)).toMatchObject({ blobs: 1 })
    await expectMended()
    expect(await world.keys('files')).toEqual(['a'])
  })

  it.each([
    ['the row', 'update objects set size = 77'],
    ['the books', 'update blobs set size = 77'],
  ])('sets a size right that %s has wrong', async (_, sql) => {
    await world.upload('store', 'a', 'upload')
    await change(sql)
    expect(await mend()).toMatchObject({ lost: 0 })
    expect(foundOf()).toContainEqual(['missized', 'store/a'])
    await expectMended()
    expect(await readFile(pathOf('upload'), 'utf8')).toBe('upload')
    const row = await world.repositories.catalog.look('store', 'a')
    expect(row?.size).toBe(6)
  })

  it('sets a size right that both have wrong, as the bytes are right', async () => {
    await world.upload('store', 'a', 'upload')
    await change('update objects set size = 77')
    await change('update blobs set size = 77')
    await change("update usage set bytes = 77 where repository in ('', 'store')")
    expect(await mend()).toMatchObject({ lost: 0 })
    expect(foundOf()[0]).toEqual(['misbooked', 'store/a'])
    await expectMended()
    expect((await world.repositories.catalog.look('store', 'a'))?.size).toBe(6)
  })

  it('reports blobs that the catalog does not know, and leaves them alone', async () => {
    await world.keep('files', 'a', 'ours')
    const stage = await world.services.blobs.stage()
    await stage.write(new TextEncoder().encode('of another program'))
    await stage.commit()
    await stage.close?.()
    const result = await mend()
    expect(result).toMatchObject({ found: 0, unknown: 1, unknownBytes: 18 })
    expect(foundOf()).toEqual([['unknown', sha256Of('of another program')]])
    await world.clock.advance(86_400_000)
    await collect(world.repositories)
    expect(await readFile(pathOf('of another program'), 'utf8')).toBe('of another program')
  })

  it('counts figures again that are wrong', async () => {
    await world.keep('files', 'a', 'one')
    await change("update usage set bytes = bytes + 10 where repository = 'files'")
    await mend()
    expect(foundOf()).toEqual([['figures', 'files', 10, 0]])
    await expectMended()
  })

  it('says that nothing is known of what the store does not deliver', async () => {
    world = await open(store => ({
      ...store,
      async open(sha256, size) {
        const blob = await store.open(sha256, size)
        const fail = (controller: ReadableStreamDefaultController) => controller.error(new Error('I/O error'))
        return blob === null ? null : { ...blob, stream: () => new ReadableStream({ pull: fail }) }
      },
    }))
    await world.upload('store', 'a', 'right')
    expect(await mend()).toMatchObject({ unreadable: 1, lost: 0 })
    expect(await readFile(pathOf('right'), 'utf8')).toBe('right')
    expect(await world.keys('store')).toEqual(['a'])
  })
})
