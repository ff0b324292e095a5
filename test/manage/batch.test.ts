// Fetching many objects before anybody asks for them, and trying an origin without keeping anything.

import { describe, expect, it } from 'vitest'
import { fetchBatch } from '../../src/manage/batch.ts'
import { probe } from '../../src/manage/probe.ts'
import { Problem } from '../../src/model/problem.ts'
import { createWorld, ORIGIN, problemOf } from './world.ts'

describe('a batch', () => {
  it('tells for each path how it went', async () => {
    const world = await createWorld({ remotes: { files: { blocklist: ['^secret'] } } })
    await world.keep('files', 'had')
    world.origin.set('/new', { body: 'new!' })
    world.origin.set('/secret', { body: 'secret' })
    world.origin.set('/away', new Problem('upstream-timeout', 'Cannot reach the origin'))
    const paths = ['had', 'new', 'gone', 'secret', '../climb', 'away']
    const items = await fetchBatch(world.repositories, 'files', { paths })
    expect(items.map(({ path, status, size }) => [path, status, size])).toEqual([
      ['had', 'cached', 3],
      ['new', 'fetched', 4],
      ['gone', 'refused', null],
      ['secret', 'refused', null],
      ['../climb', 'refused', null],
      ['away', 'refused', null],
    ])
    expect(items.map(item => item.error !== null)).toEqual([false, false, true, true, true, true])
    expect(world.asked).not.toContain('GET /secret')
    expect(await world.keys('files')).toEqual(['had', 'new'])
  })

  it('takes what is known and matches a pattern', async () => {
    const world = await createWorld()
    for (const path of ['k/1.bin', 'k/2.zip', 'l/3.bin']) await world.keep('files', path)
    const items = await fetchBatch(world.repositories, 'files', { pattern: '^k/.*bin$' })
    expect(items.map(item => item.path)).toEqual(['k/1.bin'])
  })

  it('refuses to guess candidates', async () => {
    const world = await createWorld()
    for (const request of [{}, { paths: [] }, { pattern: 'nothing-like-it' }]) {
      expect((await problemOf(fetchBatch(world.repositories, 'files', request))).code).toBe('unprocessable')
    }
  })

  it('asks for no more than four at once', async () => {
    const world = await createWorld()
    let running = 0
    let most = 0
    const world2 = await createWorld({
      services: {
        upstream: {
          async send(request) {
            most = Math.max(most, ++running)
            await new Promise(resolve => setTimeout(resolve, 2))
            running--
            return world.services.upstream.send(request)
          },
        },
      },
    })
    const paths = Array.from({ length: 20 }, (_, index) => `p/${index}`)
    for (const path of paths) world.origin.set(`/${path}`, { body: path })
    const items = await fetchBatch(world2.repositories, 'files', { paths })
    expect([items.length, new Set(items.map(item => item.status)), most]).toEqual([
      20,
      new Set(['fetched']),
      4,
    ])
  })
})

describe('a probe', () => {
  it('tells what the origin answers, and keeps nothing', async () => {
    const world = await createWorld()
    world.origin.set('/a.bin', { body: 'abc', headers: { etag: '"x"', 'set-cookie': 'secret=1' } })
    const result = await probe(world.repositories, { remote: 'files', path: 'a.bin' })
    expect(result).toMatchObject({
      url: `${ORIGIN}/a.bin`,
      method: 'HEAD',
      status: 200,
      size: 3,
      headers: { etag: '"x"' },
      pathClass: 'immutable',
      isAllowed: true,
      error: null,
    })
    expect(result.headers).not.toHaveProperty('set-cookie')
    expect(await world.keys('files')).toEqual([])
  })

  it('asks with GET where HEAD is answered badly', async () => {
    const world = await createWorld()
    const result = await probe(world.repositories, { remote: 'files', path: 'none' })
    expect([result.method, result.status, world.asked]).toEqual(['GET', 404, ['HEAD /none', 'GET /none']])
  })

  it('tells why the patterns would not let it pass', async () => {
    const world = await createWorld({ remotes: { files: { patterns: ['^pub/'] } } })
    world.origin.set('/private', { body: 'x' })
    const result = await probe(world.repositories, { remote: 'files', path: 'private' })
    expect([result.status, result.isAllowed]).toEqual([200, false])
    expect(result.refusal).toContain('patterns')
  })

  it('tells trouble as a result', async () => {
    const world = await createWorld()
    world.origin.set('/a', new Problem('upstream-unreachable', 'Cannot reach origin.example: refused'))
    const result = await probe(world.repositories, { remote: 'files', path: 'a' })
    expect([result.status, result.error]).toEqual([null, 'Cannot reach origin.example: refused'])
  })

  it('refuses a repository without an origin', async () => {
    const world = await createWorld()
    expect((await problemOf(probe(world.repositories, { remote: 'store', path: 'a' }))).code).toBe(
      'unprocessable',
    )
  })
})
