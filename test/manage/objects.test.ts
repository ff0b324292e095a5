// Listing and dropping what is cached.

import { beforeEach, describe, expect, it } from 'vitest'
import { fetchBatch } from '../../src/manage/batch.ts'
import { evictObjects, flush, listObjects } from '../../src/manage/objects.ts'
import { createWorld, problemOf, type World } from './world.ts'

let world: World

beforeEach(async () => {
  world = await createWorld({
    remotes: { files: { mutable_patterns: ['^live/'] }, more: {}, store: { type: 'local' } },
  })
})

describe('listing', () => {
  it('goes through all objects a page at a time', async () => {
    for (const path of ['a', 'b', 'c', 'd', 'e']) await world.keep('files', path)
    const pages: string[][] = []
    for (let cursor: string | undefined, isMore = true; isMore; ) {
      const page = await listObjects(world.repositories, 'files', { limit: 2, cursor })
      pages.push(page.objects.map(object => object.path))
      isMore = page.cursor !== null
      cursor = page.cursor ?? undefined
    }
    expect(pages).toEqual([['a', 'b'], ['c', 'd'], ['e']])
  })

  it('keeps to a prefix', async () => {
    for (const path of ['a/1', 'b/1', 'b/2', 'c/1']) await world.keep('files', path)
    const page = await listObjects(world.repositories, 'files', { limit: 10, prefix: 'b/' })
    expect(page.objects.map(object => object.path)).toEqual(['b/1', 'b/2'])
  })

  it('refuses a repository that is not there', async () => {
    const problem = await problemOf(listObjects(world.repositories, 'none', { limit: 1 }))
    expect(problem.code).toBe('not-found')
  })
})

describe('flushing', () => {
  it('drops the paths it is given and tells them', async () => {
    for (const path of ['a', 'ab', 'b']) await world.keep('files', path)
    const result = await flush(world.repositories, { remote: 'files', paths: ['/a', 'nothing'] })
    expect(result).toMatchObject({ objects: 1, bytes: 1, dropped: [{ repository: 'files', path: 'a' }] })
    expect(await world.keys('files')).toEqual(['ab', 'b'])
  })

  it('drops all variants of a path without a query, and one with it', async () => {
    for (const path of ['a', 'a?v=1', 'a?v=2']) {
      world.origin.set(`/${path}`, { body: path })
      await fetchBatch(world.repositories, 'files', { paths: [path] })
    }
    await flush(world.repositories, { remote: 'files', paths: ['a?v=1'] })
    expect(await world.keys('files')).toEqual(['a', 'a?v=2'])
    await flush(world.repositories, { remote: 'files', paths: ['a'] })
    expect(await world.keys('files')).toEqual([])
  })

  it('drops what matches a pattern', async () => {
    for (const path of ['x/1.tgz', 'x/2.zip']) await world.keep('files', path)
    await flush(world.repositories, { remote: 'files', pattern: '\\.tgz$' })
    expect(await world.keys('files')).toEqual(['x/2.zip'])
  })

  it('spares what is immutable where told so', async () => {
    for (const path of ['live/1', 'fixed/1']) await world.keep('files', path)
    await flush(world.repositories, { remote: 'files', mutable_only: true })
    expect(await world.keys('files')).toEqual(['fixed/1'])
  })

  it('drops everything but uploads where nothing is named', async () => {
    await world.keep('files', 'a')
    await world.keep('more', 'b')
    await world.upload('store', 'c', 'mine')
    const result = await flush(world.repositories, {})
    expect(result.objects).toBe(2)
    expect([await world.keys('files'), await world.keys('more'), await world.keys('store')]).toEqual([
      [],
      [],
      ['c'],
    ])
  })

  it('spares what is pinned', async () => {
    await world.keep('files', 'a')
    const row = await world.repositories.catalog.find('files', 'a')
    if (row !== null) await world.repositories.catalog.keep({ ...row, isPinned: true })
    await flush(world.repositories, { remote: 'files' })
    expect(await world.keys('files')).toEqual(['a'])
  })

  it('refuses uploads with the reason', async () => {
    await world.upload('store', 'c', 'mine')
    const problem = await problemOf(flush(world.repositories, { remote: 'store' }))
    expect(problem.code).toBe('conflict')
    expect(await world.keys('store')).toEqual(['c'])
  })

  it('forgets that a path was missing', async () => {
    const ask = async () => (await fetchBatch(world.repositories, 'files', { paths: ['late'] }))[0]?.status
    expect(await ask()).toBe('refused')
    world.origin.set('/late', { body: 'late' })
    expect(await ask()).toBe('refused')
    await flush(world.repositories, { remote: 'files', paths: ['late'] })
    expect(await ask()).toBe('fetched')
  })

  it('tells a thousand of what it dropped, and counts them all', async () => {
    for (let i = 0; i < 1003; i++) await world.keep('files', `n/${i}`)
    const result = await flush(world.repositories, { remote: 'files' })
    expect([result.objects, result.dropped.length, result.hasMore]).toEqual([1003, 1000, true])
    expect(await world.keys('files')).toEqual([])
  })
})

describe('evicting', () => {
  it('drops by prefix', async () => {
    for (const path of ['a/1', 'a/2', 'b/1']) await world.keep('files', path)
    const result = await evictObjects(world.repositories, 'files', { prefix: 'a/' })
    expect([result.objects, await world.keys('files')]).toEqual([2, ['b/1']])
  })

  it('deletes an upload by its exact path only', async () => {
    for (const path of ['a', 'ab']) await world.upload('store', path, path)
    expect((await problemOf(evictObjects(world.repositories, 'store', { prefix: '' }))).code).toBe('conflict')
    expect((await problemOf(evictObjects(world.repositories, 'store', { pattern: '.' }))).code).toBe(
      'conflict',
    )
    const result = await evictObjects(world.repositories, 'store', { paths: ['a'] })
    expect([result.objects, await world.keys('store')]).toEqual([1, ['ab']])
  })
})
