// Limits on what is kept: the least recently used objects go first, and uploads never.

import { describe, expect, it } from 'vitest'
import { eventually, useWorld } from '../contracts/app/suite.ts'
import { pattern } from '../origin.ts'
import { blobFiles, suiteOf, withCatalog } from './world.ts'

const MB = 1_000_000

describe('eviction', () => {
  const world = useWorld(
    suiteOf('bun'),
    { free: {}, limited: { max_size: 3 * MB }, uploads: { type: 'local' } },
    { env: { CACHE_MAX_SIZE: '10MB', MAINTENANCE_SECONDS: '1', COLLECT_GRACE_SECONDS: '0' } },
  )

  const kept = (repository: string) =>
    withCatalog(world.server, database =>
      database
        .prepare('select path from objects where repository = ? order by path')
        .all(repository)
        .map(row => String(row.path)),
    )
  const fetchAll = async (name: string, paths: readonly string[], seed: number) => {
    const { origin, get } = world.repo(name)
    for (const [i, path] of paths.entries()) {
      origin.set(`/${path}`, { body: pattern(MB, seed + i) })
      await get(path)
    }
  }

  it('drops what was used least recently of a repository beyond its max_size', async () => {
    await fetchAll('limited', ['a', 'b', 'c'], 700)
    await world.repo('limited').get('a')
    await fetchAll('limited', ['d'], 710)
    // Down to nine tenths of the limit.
    await eventually(async () => expect(kept('limited')).toEqual(['a', 'd']))
    await eventually(async () => expect(await blobFiles(world.server)).toHaveLength(2))
  })

  it('drops what was used least recently of all beyond CACHE_MAX_SIZE, and uploads never', async () => {
    const uploads = ['u1', 'u2', 'u3']
    for (const [i, path] of uploads.entries()) {
      const answer = await world.repo('uploads').put(path, pattern(MB, 720 + i).slice())
      expect(answer.status).toBe(201)
    }
    await fetchAll('free', ['1', '2', '3', '4'], 730)
    await world.repo('free').get('1')
    await fetchAll('free', ['5', '6', '7', '8'], 740)
    await eventually(async () => expect(kept('free').length).toBeLessThan(7))
    expect(kept('uploads')).toEqual(uploads)
    // Of 9 MB three are uploads.
    expect(kept('free')).toEqual(['1', '4', '5', '6', '7', '8'].slice(-kept('free').length))
    expect(kept('limited')).toEqual([])
    for (const [i, path] of uploads.entries()) {
      const answer = await world.repo('uploads').get(path)
      expect(answer.body).toEqual(pattern(MB, 720 + i).slice())
    }
  })
})
