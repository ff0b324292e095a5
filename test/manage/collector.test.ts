// Bytes that nobody names go after their grace, at no moment a byte that somebody names, and nothing is ever lost
// from the books.

import { describe, expect, it } from 'vitest'
import { collect } from '../../src/manage/collector.ts'
import { flush } from '../../src/manage/objects.ts'
import type { BlobStore } from '../../src/ports/blob-store.ts'
import type { FakeClock } from '../fake-clock.ts'
import { createWorld, type World } from './world.ts'

const HOUR_MS = 3_600_000

async function condemn(world: World, path = 'a', body = path): Promise<string> {
  await world.keep('files', path, body)
  const sha256 = (await world.repositories.catalog.find('files', path))?.sha256 ?? ''
  // What was committed in the very moment of its condemnation would be spared.
  await world.clock.advance(1)
  await flush(world.repositories, { remote: 'files', paths: [path] })
  return sha256
}

/** A world whose store does `before` when the collector is about to remove a blob. */
async function worldWhere(before: (store: BlobStore, clock: FakeClock) => Promise<void>): Promise<World> {
  const plain = await createWorld()
  const { blobs } = plain.services
  return createWorld({
    services: {
      clock: plain.clock,
      blobs: {
        ...blobs,
        async remove(sha256, since) {
          await before(blobs, plain.clock)
          return blobs.remove(sha256, since)
        },
      },
    },
  }).then(world => ({ ...world, clock: plain.clock }))
}

async function isStored({ services }: World, sha256: string): Promise<boolean> {
  return (await services.blobs.open(sha256)) !== null
}

async function commit(store: BlobStore, text: string): Promise<void> {
  const stage = await store.stage()
  await stage.write(new TextEncoder().encode(text))
  await stage.commit()
}

describe('the collector', () => {
  it('waits for the grace to pass', async () => {
    const world = await createWorld()
    const sha256 = await condemn(world)
    await world.clock.advance(HOUR_MS - 1)
    expect(await collect(world.repositories)).toMatchObject({ blobs: 0, waiting: { blobs: 1, bytes: 1 } })
    expect(await isStored(world, sha256)).toBe(true)
    await world.clock.advance(1)
    expect(await collect(world.repositories)).toMatchObject({ blobs: 1, bytes: 1, waiting: { blobs: 0 } })
    expect(await isStored(world, sha256)).toBe(false)
    expect((await world.repositories.catalog.usage()).bytes).toBe(0)
  })

  it('says in a dry run what it would do', async () => {
    const world = await createWorld()
    const sha256 = await condemn(world, 'a', 'four')
    await world.clock.advance(HOUR_MS)
    const result = await collect(world.repositories, { dryRun: true })
    expect(result).toEqual({ blobs: 1, bytes: 4, waiting: { blobs: 0, bytes: 0 }, isDryRun: true })
    expect(await isStored(world, sha256)).toBe(true)
  })

  it('leaves what another repository names', async () => {
    const world = await createWorld()
    await world.keep('more', 'other', 'same')
    const sha256 = await condemn(world, 'a', 'same')
    await world.clock.advance(HOUR_MS)
    expect((await collect(world.repositories)).blobs).toBe(0)
    expect(await isStored(world, sha256)).toBe(true)
  })

  it('leaves what is named again', async () => {
    const world = await createWorld()
    const sha256 = await condemn(world)
    await world.clock.advance(HOUR_MS)
    await world.keep('files', 'a')
    expect((await collect(world.repositories)).blobs).toBe(0)
    expect(await isStored(world, sha256)).toBe(true)
  })

  it('gives another grace to what was announced again', async () => {
    const world = await createWorld()
    const sha256 = await condemn(world)
    await world.clock.advance(HOUR_MS)
    await world.repositories.catalog.announce(sha256, 1)
    expect((await collect(world.repositories)).blobs).toBe(0)
    await world.clock.advance(HOUR_MS)
    expect((await collect(world.repositories)).blobs).toBe(1)
  })

  it('spares bytes that are committed while it removes them, and takes them after another grace', async () => {
    let isCommitting = true
    const world = await worldWhere(async (store, clock) => {
      if (!isCommitting) return
      await commit(store, 'a')
      await clock.advance(1)
    })
    const sha256 = await condemn(world)
    await world.clock.advance(HOUR_MS)
    expect((await collect(world.repositories)).blobs).toBe(0)
    isCommitting = false
    expect((await collect(world.repositories)).waiting).toEqual({ blobs: 1, bytes: 1 })
    expect(await isStored(world, sha256)).toBe(true)
    await world.clock.advance(HOUR_MS)
    expect(await collect(world.repositories)).toMatchObject({ blobs: 1, waiting: { blobs: 0 } })
    expect(await isStored(world, sha256)).toBe(false)
  })

  it('loses no announcement that is made while it removes', async () => {
    const late: { world: World | null; sha256: string } = { world: null, sha256: '' }
    const world = await worldWhere(async () => {
      await late.world?.repositories.catalog.announce(late.sha256, 1)
    })
    late.world = world
    late.sha256 = await condemn(world)
    await world.clock.advance(HOUR_MS)
    expect((await collect(world.repositories)).blobs).toBe(0)
    expect(await world.repositories.catalog.condemnedSum(world.clock.now())).toEqual({ blobs: 1, bytes: 1 })
  })

  it('ends what it began when it broke off half-way', async () => {
    let fault: Error | null = new Error('the machine stopped')
    const world = await worldWhere(async () => {
      if (fault !== null) throw fault
    })
    const sha256 = await condemn(world)
    await world.clock.advance(HOUR_MS)
    await expect(collect(world.repositories)).rejects.toThrow('the machine stopped')
    fault = null
    expect((await collect(world.repositories)).blobs).toBe(1)
    expect(await isStored(world, sha256)).toBe(false)
    expect(await world.repositories.catalog.usage()).toMatchObject({ blobs: 0, bytes: 0 })
  })

  it('serves what is asked for again while its removal had broken off', async () => {
    const world = await worldWhere(async () => {
      throw new Error('the machine stopped')
    })
    const sha256 = await condemn(world)
    await world.clock.advance(HOUR_MS)
    await expect(collect(world.repositories)).rejects.toThrow()
    await world.keep('files', 'a')
    expect((await collect(world.repositories)).blobs).toBe(0)
    expect(await isStored(world, sha256)).toBe(true)
  })
})
