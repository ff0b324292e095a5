// Paths made to climb, to split or to overrun, sent byte by byte over a socket: each is refused on every runtime, and
// the origin never hears of it.

import { describe, expect, it } from 'vitest'
import { useWorld } from '../contracts/app/suite.ts'
import { suiteOf } from './world.ts'

const CLIMBING = [
  '/..',
  '/../secret',
  '/../../../../etc/passwd',
  '/a/../../other/secret',
  '/a/./b',
  '/a/..',
  '/%2e%2e/secret',
  '/%2E%2e/secret',
  '/%2e%2E/secret',
  '/.%2e/secret',
  '/%2e./secret',
  '/a/%2e/b',
  '/..%2fsecret',
  '/..%2Fsecret',
  '/%2e%2e%2fsecret',
  '/%2E%2E%2Fsecret',
  '/a/..%2f..%2fsecret',
  '/..\\secret',
  '/a\\..\\..\\secret',
  '/a\\b',
  '/..%5csecret',
  '/..%5Csecret',
  '/%2e%2e%5csecret',
  '/a%5cb',
  '/%c0%ae%c0%ae/secret',
  '/a//../secret',
  '/a//..%2fsecret',
]
const UNPRINTABLE = [
  '/a%00b',
  '/a%00',
  '/%00',
  '/a%01b',
  '/a%0ab',
  '/a%0d%0aX-Injected:%201',
  '/a%1bb',
  '/a%7fb',
]
const RAW_CONTROL = ['/a\u0000b', '/a\u0001b', '/a\u001bb', '/a\u007fb', '/a\rb']
const BROKEN = ['/a%', '/a%2', '/a%zz', '/%ff']

for (const runtime of ['bun', 'node', 'deno'] as const) {
  describe(`hostile paths (${runtime})`, () => {
    const world = useWorld(suiteOf(runtime), { files: { base_path: '/base' } })
    const base = '/api/v1/remote/files'

    async function refusedWith(path: string, method = 'GET'): Promise<number> {
      return (await world.ask(`${base}${path}`, { method })).status
    }
    const untouched = () => expect(world.repo('files').origin.requests).toEqual([])

    it.each([...CLIMBING, ...UNPRINTABLE, ...BROKEN])('answers 400 to %j', async path => {
      expect(await refusedWith(path)).toBe(400)
      expect(await refusedWith(path, 'HEAD')).toBe(400)
      untouched()
    })

    // To some servers that is no HTTP at all.
    it.each(RAW_CONTROL)('answers 400 or 505 to the control characters of %j, or hangs up', async path => {
      expect(await refusedWith(path).catch(() => 'hung up')).toBeOneOf([400, 505, 'hung up'])
      untouched()
    })

    it('answers 414 to a path that is too long', async () => {
      expect(await refusedWith(`/${'a'.repeat(1100)}`)).toBe(414)
      expect(await refusedWith(`/${'a/'.repeat(600)}b`)).toBe(414)
      expect(await refusedWith(`/${'%61'.repeat(1100)}`)).toBe(414)
      untouched()
    })

    it('serves on', async () => {
      const { origin, get } = world.repo('files')
      origin.set('/base/fine.bin', { body: 'fine' })
      expect((await get('fine.bin')).text).toBe('fine')
    })
  })
}
