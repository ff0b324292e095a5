// Repositories made through the API: created, changed, deleted, and never showing a secret.

import { beforeEach, describe, expect, it } from 'vitest'
import {
  createRepository,
  deleteRepository,
  getRepository,
  listRepositories,
  replaceRepository,
} from '../../src/manage/repositories.ts'
import { createWorld, ORIGIN, problemOf, type World } from './world.ts'

let world: World
const create = (body: unknown) => createRepository(world.repositories, 'remotes', body)
const replace = (name: string, body: unknown) => replaceRepository(world.repositories, 'remotes', name, body)
const originOf = (name: string) => world.repositories.directory.find(name)?.origin

beforeEach(async () => {
  world = await createWorld()
})

describe('creating', () => {
  it('makes a repository that serves at once', async () => {
    const view = await create({ name: 'made', base_url: ORIGIN, description: 'by hand' })
    expect(view).toMatchObject({ name: 'made', base_url: ORIGIN, type: 'remote', source: 'api' })
    await world.keep('made', 'a')
    expect(await world.keys('made')).toEqual(['a'])
  })

  it('is seen by another process', async () => {
    await create({ name: 'made', base_url: ORIGIN })
    const other = await createWorld({ services: { database: world.services.database } })
    expect(getRepository(other.repositories, 'remotes', 'made')).toMatchObject({ base_url: ORIGIN })
  })

  it('is seen by who reads the database again, also while an older reading is under way', async () => {
    let slow = Promise.resolve()
    const { query } = world.services.database
    world.services.database.query = async (sql, values) => {
      const rows = await query(sql, values)
      await slow
      return rows
    }
    let goOn = () => {}
    slow = new Promise(resolve => {
      goOn = resolve
    })
    const { directory, catalog } = world.repositories
    const older = directory.refresh()
    await new Promise(resolve => setTimeout(resolve, 1))
    slow = Promise.resolve()
    await catalog.putRepository('made', JSON.stringify({ base_url: ORIGIN }))
    const newer = directory.refresh()
    goOn()
    await Promise.all([older, newer])
    expect(directory.find('made')).not.toBeNull()
  })

  it('refuses a name that is taken, by the file or the API', async () => {
    await create({ name: 'made', base_url: ORIGIN })
    expect((await problemOf(create({ name: 'made', base_url: ORIGIN }))).code).toBe('conflict')
    const filed = await problemOf(create({ name: 'files', base_url: ORIGIN }))
    expect([filed.code, filed.message]).toEqual(['conflict', expect.stringContaining('remotes.yaml')])
  })

  it('tells all faults at once, with the nearest known key', async () => {
    const problem = await problemOf(create({ name: 'bad', base_url: 'ftp://x', mutable_tll: 1 }))
    expect(problem.status).toBe(422)
    expect(problem.message).toContain('mutable_ttl')
    const second = await problemOf(
      create({ name: 'bad', base_url: ORIGIN, patterns: ['('], mutable_ttl: -1 }),
    )
    expect(second.status).toBe(422)
    expect(world.repositories.directory.find('bad')).toBeNull()
  })

  it('refuses bodies that are no repository', async () => {
    for (const body of [undefined, null, [], 'x', {}, { name: '' }, { name: 7 }]) {
      expect((await problemOf(create(body))).status).toBe(422)
    }
  })

  it('lets one of two at once win', async () => {
    const results = await Promise.allSettled([
      create({ name: 'made', base_url: `${ORIGIN}/1` }),
      create({ name: 'made', base_url: `${ORIGIN}/2` }),
    ])
    expect(results.map(result => result.status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  it('serves nothing that an earlier repository of its name left behind', async () => {
    await create({ name: 'made', base_url: ORIGIN })
    await world.keep('made', 'a', 'of the first origin')
    await world.repositories.catalog.dropRepository('made')
    await world.repositories.directory.refresh()
    await create({ name: 'made', base_url: 'https://other.example' })
    expect(await world.keys('made')).toEqual([])
  })
})

describe('virtual ones', () => {
  const createVirtual = (body: unknown) => createRepository(world.repositories, 'virtuals', body)

  it('are made over members that exist', async () => {
    await createVirtual({ name: 'all', package: 'generic', members: ['files', 'store'] })
    expect(listRepositories(world.repositories, 'virtuals').map(view => view.name)).toEqual(['all'])
    expect(listRepositories(world.repositories, 'remotes').map(view => view.name)).not.toContain('all')
    const problem = await problemOf(createVirtual({ name: 'odd', members: ['nobody'] }))
    expect([problem.status, problem.message]).toEqual([422, expect.stringContaining('nobody')])
  })

  it('keep their members from being deleted', async () => {
    await create({ name: 'member', base_url: ORIGIN })
    await createVirtual({ name: 'all', members: ['member'] })
    const problem = await problemOf(deleteRepository(world.repositories, 'remotes', 'member'))
    expect([problem.code, problem.message]).toEqual(['conflict', expect.stringContaining('all')])
  })

  it('are not managed among the remotes', async () => {
    expect((await problemOf(create({ name: 'all', type: 'virtual', members: ['files'] }))).status).toBe(422)
    await createVirtual({ name: 'all', members: ['files'] })
    const problem = await problemOf(deleteRepository(world.repositories, 'remotes', 'all'))
    expect(problem.code).toBe('not-found')
  })
})

describe('changing', () => {
  it('replaces everything', async () => {
    await create({ name: 'made', base_url: ORIGIN, blocklist: ['^x'], description: 'before' })
    const { view, isNew } = await replace('made', { base_url: `${ORIGIN}/sub` })
    expect([isNew, view.base_url, view.description]).toEqual([false, `${ORIGIN}/sub`, ''])
    expect(view).not.toHaveProperty('blocklist')
  })

  it('creates what is not there', async () => {
    expect((await replace('made', { base_url: ORIGIN })).isNew).toBe(true)
  })

  it('leaves entries of the file alone', async () => {
    expect((await problemOf(replace('files', { base_url: ORIGIN }))).code).toBe('conflict')
    expect((await problemOf(deleteRepository(world.repositories, 'remotes', 'files'))).code).toBe('conflict')
  })

  it('does not turn one kind into another', async () => {
    await create({ name: 'made', base_url: ORIGIN })
    expect((await problemOf(replace('made', { type: 'local' }))).code).toBe('conflict')
  })

  it('takes back what it showed', async () => {
    const entry = { name: 'made', base_url: ORIGIN, username: 'u', password: 'p', headers: { 'X-Key': 'k' } }
    await create({
      ...entry,
      proxy: 'http://me:secret@proxy.example:3128',
      stale_on: ['5xx'],
      negative_ttl: 5,
    })
    const before = originOf('made')
    const shown = getRepository(world.repositories, 'remotes', 'made')
    await replace('made', { ...shown, description: 'changed' })
    expect(originOf('made')).toEqual(before)
    expect(getRepository(world.repositories, 'remotes', 'made')).toEqual({ ...shown, description: 'changed' })
  })
})

describe('secrets', () => {
  const secret = { username: 'robot', password: 'hunter2', headers: { 'X-Key': 'of-header' } }

  beforeEach(async () => {
    await create({ name: 'made', base_url: ORIGIN, ...secret })
  })

  it('are shown nowhere', () => {
    const shown = JSON.stringify([
      getRepository(world.repositories, 'remotes', 'made'),
      listRepositories(world.repositories, 'remotes'),
      world.logged,
    ])
    for (const text of ['hunter2', 'of-header', 'robot']) expect(shown).not.toContain(text)
  })

  it('stay where they are left out and the origin is the same', async () => {
    await replace('made', { base_url: `${ORIGIN}/elsewhere` })
    expect(originOf('made')).toMatchObject(secret)
  })

  it('go where another host, port or scheme is named', async () => {
    for (const base_url of ['https://evil.example', `${ORIGIN}:8443`, 'http://origin.example']) {
      await replace('made', { base_url: ORIGIN, ...secret })
      await replace('made', { base_url })
      expect(originOf('made')).toEqual(expect.not.objectContaining({ password: 'hunter2' }))
      expect(originOf('made')?.headers).toEqual({})
    }
  })

  it('go where they are emptied', async () => {
    await replace('made', { base_url: ORIGIN, username: null, password: '', headers: {} })
    expect(originOf('made')).toEqual(expect.not.objectContaining({ password: expect.anything() }))
    expect(originOf('made')?.headers).toEqual({})
  })

  it('are not lent to a new host that only names the headers', async () => {
    const problem = await problemOf(replace('made', { base_url: 'https://evil.example', headers: ['X-Key'] }))
    expect(problem.status).toBe(422)
    expect(problem.message).not.toContain('of-header')
  })
})

describe('deleting', () => {
  it('drops what was cached, so that its bytes are collected', async () => {
    await create({ name: 'made', base_url: ORIGIN })
    await world.keep('made', 'a')
    const dropped = await deleteRepository(world.repositories, 'remotes', 'made')
    expect([dropped.objects, await world.keys('made')]).toEqual([1, []])
    expect(world.repositories.directory.find('made')).toBeNull()
    expect(await world.repositories.catalog.condemnedSum(world.clock.now())).toEqual({ blobs: 1, bytes: 1 })
  })

  it('tells when there is none', async () => {
    const problem = await problemOf(deleteRepository(world.repositories, 'remotes', 'none'))
    expect(problem.code).toBe('not-found')
  })
})
