// A virtual repository over generic ones: the first member that has a file serves it.

import { describe, expect } from 'vitest'
import { type Suite, testsOf, useWorld } from './suite.ts'

export function describeVirtual(suite: Suite): void {
  const it = testsOf(suite)
  describe('virtual repositories', () => {
    const world = useWorld(
      suite,
      { first: {}, second: {}, dead: {}, store: { type: 'local', package: 'generic' } },
      {
        virtuals: {
          both: { package: 'generic', members: ['store', 'first', 'second'] },
          partly: { package: 'generic', members: ['dead', 'second'] },
          lost: { package: 'generic', members: ['dead'] },
        },
      },
    )
    const ask = (name: string, path: string, method = 'GET') =>
      world.ask(`/api/v1/virtual/${name}/${path}`, { method })

    it('serves what the first member that has it has', async () => {
      world.repo('first').origin.set('/both.bin', { body: 'first' })
      world.repo('second').origin.set('/both.bin', { body: 'second' })
      world.repo('second').origin.set('/one.bin', { body: 'only second' })
      expect((await ask('both', 'both.bin')).text).toBe('first')
      expect((await ask('both', 'one.bin')).text).toBe('only second')
      expect(world.repo('second').origin.gets('/both.bin')).toBe(0)
    })

    it('keeps what it fetched', async () => {
      world.repo('first').origin.set('/kept.bin', { body: 'kept' })
      await ask('both', 'kept.bin')
      const hit = await ask('both', 'kept.bin')
      expect([hit.text, hit.headers.get('x-artifact-source')]).toEqual(['kept', 'cache'])
      expect(world.repo('first').origin.gets('/kept.bin')).toBe(1)
    })

    it('serves uploads of its local members', async () => {
      await world.repo('store').put('mine.bin', 'mine')
      expect((await ask('both', 'mine.bin')).text).toBe('mine')
      expect((await ask('both', 'mine.bin', 'HEAD')).status).toBe(200)
    })

    it('goes on without a member that is down', async () => {
      world.repo('second').origin.set('/alive.bin', { body: 'alive' })
      await world.repo('dead').origin.down()
      expect((await ask('partly', 'alive.bin')).text).toBe('alive')
      const lost = await ask('lost', 'alive.bin')
      expect([502, 503, 504]).toContain(lost.status)
      await world.repo('dead').origin.up()
    })

    it('answers 404 for what no member has', async () => {
      expect((await ask('both', 'nobody.bin')).status).toBe(404)
      expect((await ask('none-such', 'nobody.bin')).status).toBe(404)
    })

    it('takes no uploads', async () => {
      const answer = await world.manage('PUT', '/api/v1/virtual/both/new.bin')
      expect(answer.status).toBe(405)
    })
  })
}
