// A catalog that another process holds for seconds: hits go on as if nothing were, and what is missing is still
// served right.

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { sourceOf, useWorld } from '../contracts/app/suite.ts'
import { pattern } from '../origin.ts'
import { expectWhole, suiteOf } from './world.ts'

// The server waits five seconds for such a lock: once it is given back in time, once it is not.
const CASES = [
  ['bun', 'for two seconds', 2],
  ['bun', 'for longer than it is waited for', 6],
  ['node', 'for two seconds', 2],
] as const

describe('a catalog that is held by another process', { concurrent: true }, () => {
  for (const [runtime, title, seconds] of CASES) {
    describe(`${runtime}, ${title}`, () => {
      const world = useWorld(suiteOf(runtime), { files: {} })

      /** Holds the catalog while `work` runs; closing it gives it back. */
      async function held<T>(work: () => Promise<T>): Promise<T> {
        const database = new DatabaseSync(join(world.server.dataDir, 'catalog.db'))
        try {
          database.exec('pragma busy_timeout = 5000')
          database.exec('begin exclusive')
          return await work()
        } finally {
          database.close()
        }
      }

      it('hits go on, and misses are served right', async () => {
        const { origin, get } = world.repo('files')
        const [small, large, missing] = [
          pattern(5_000, seconds),
          pattern(900_000, 60 + seconds),
          pattern(800_000, 70 + seconds),
        ]
        const names = [`small-${seconds}.bin`, `large-${seconds}.bin`, `missing-${seconds}.bin`] as const
        for (const [i, body] of [small, large, missing].entries()) origin.set(`/${names[i]}`, { body })
        await get(names[0])
        await get(names[1])
        // What it knew by heart is asked of the catalog again.
        await world.server.restart()
        const miss = await held(async () => {
          const until = Date.now() + seconds * 1000
          const answer = get(names[2])
          while (Date.now() < until) {
            const began = Date.now()
            for (const [i, body] of [small, large].entries()) {
              const hit = await get(names[i] ?? '')
              expectWhole(hit, body)
              expect(sourceOf(hit)).toBe('cache')
            }
            expect(Date.now() - began).toBeLessThan(500)
            await sleep(50)
          }
          return { answer }
        })
        expectWhole(await miss.answer, missing)
        expectWhole(await get(names[2]), missing)
        // After the long one it takes a while until bodies are kept again.
        if (seconds < 5) expect(sourceOf(await get(names[2]))).toBe('cache')
        expect((await world.ask('/ready')).status).toBe(200)
      }, 40_000)
    })
  }
})
