// Limits: what was used least recently goes first, uploads never.

import { describe, expect, it } from 'vitest'
import { evict } from '../../src/manage/eviction.ts'
import { createWorld, type World } from './world.ts'

const KILOBYTE = 'x'.repeat(1000)

/** Objects `1` to `count` of 1,000 bytes each, all different, a second apart. */
async function fill(world: World, repository: string, count: number): Promise<void> {
  for (let i = 1; i <= count; i++) {
    await world.keep(repository, String(i), `${repository}${i}${KILOBYTE}`.slice(0, 1000))
    await world.clock.advance(1000)
  }
}

describe('the limit of a repository', () => {
  it('lets the least recently used go, down to nine tenths', async () => {
    const world = await createWorld({ remotes: { files: { max_size: 10_000 }, more: {} } })
    await fill(world, 'files', 12)
    await fill(world, 'more', 3)
    await world.keep('files', '1')
    expect(await evict(world.repositories)).toEqual({ objects: 3, bytes: 3000 })
    expect((await world.keys('files')).map(Number).sort((a, b) => a - b)).toEqual([
      1, 5, 6, 7, 8, 9, 10, 11, 12,
    ])
    expect(await world.keys('more')).toHaveLength(3)
  })

  it('does nothing below it', async () => {
    const world = await createWorld({ remotes: { files: { max_size: 10_000 } } })
    await fill(world, 'files', 10)
    expect(await evict(world.repositories)).toEqual({ objects: 0, bytes: 0 })
  })
})

describe('the limit of the cache', () => {
  it('holds for all repositories together', async () => {
    const world = await createWorld({ options: { cacheMaxBytes: 5000 } })
    await fill(world, 'files', 4)
    await fill(world, 'more', 2)
    expect(await evict(world.repositories)).toEqual({ objects: 2, bytes: 2000 })
    expect([await world.keys('files'), await world.keys('more')]).toEqual([
      ['3', '4'],
      ['1', '2'],
    ])
  })

  it('counts condemned bytes as gone', async () => {
    const world = await createWorld({ options: { cacheMaxBytes: 5000 } })
    await fill(world, 'files', 6)
    await evict(world.repositories)
    expect(await evict(world.repositories)).toEqual({ objects: 0, bytes: 0 })
    expect(await world.keys('files')).toHaveLength(4)
  })

  it('goes on until bytes that several share are really free', async () => {
    const world = await createWorld({ options: { cacheMaxBytes: 1500 } })
    for (const repository of ['files', 'more']) await world.keep(repository, 'shared', KILOBYTE)
    await world.clock.advance(1000)
    await world.keep('files', 'young', `young${KILOBYTE}`.slice(0, 1000))
    await evict(world.repositories)
    expect([await world.keys('files'), await world.keys('more')]).toEqual([['young'], []])
  })

  it('never takes uploads, and says so', async () => {
    const world = await createWorld({ options: { cacheMaxBytes: 1000 } })
    await world.upload('store', 'mine', 'm'.repeat(3000))
    await fill(world, 'files', 2)
    await evict(world.repositories)
    expect([await world.keys('store'), await world.keys('files')]).toEqual([['mine'], []])
    expect(world.logged.join('\n')).toContain('only pinned objects are left')
  })
})
