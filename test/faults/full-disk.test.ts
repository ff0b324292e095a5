// A disk that fills up under a body with many readers: everyone gets the right bytes or sees an abort, the service
// goes on without keeping, says so, and keeps again by itself when there is space.

import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  cacheStatusOf,
  eventually,
  parseJson,
  type Suite,
  sourceOf,
  useWorld,
} from '../contracts/app/suite.ts'
import { pattern } from '../origin.ts'
import { startServer } from '../servers.ts'
import { hasCondition } from '../tools.ts'
import { expectWhole, expectWholeOrFailed, stagedFiles } from './world.ts'

const MB = 1_000_000

const isReady = hasCondition('the right to mount a disk', canMount())

describe.skipIf(!isReady)('a full disk', { concurrent: true }, () => {
  for (const runtime of ['bun', 'node'] as const) {
    describe(runtime, () => {
      const disk = openSmallDisk()
      const suite: Suite = {
        runtime,
        start: options => startServer(runtime, { ...options, dataDir: disk.mount() }),
        skip: {},
        titles: new Set(),
      }
      const world = useWorld(suite, { files: {} })
      const filler = join(disk.blobs, 'filler')
      afterAll(() => disk.unmount())

      const storeFault = async () => {
        const { status, degraded } = parseJson(await world.ask('/health'))
        const parts = degraded as { part: string; reason: string }[] // as documented
        return { status, reason: parts.find(({ part }) => part === 'store')?.reason ?? null }
      }

      it('serves ten readers of a body for whose half there is no room, and keeps again when there is', async () => {
        const { origin, open, get } = world.repo('files')
        expect(await storeFault()).toEqual({ status: 'ok', reason: null })
        writeFileSync(filler, pattern(10 * MB, 1).slice())
        const body = pattern(12 * MB, 41)
        // In chunks: nobody can know beforehand that it will not fit.
        origin.set('/big.bin', { body, chunked: true, rate: 12 * MB })
        const hold = origin.hold('/big.bin', MB)
        const readers = await Promise.all(Array.from({ length: 10 }, () => open('big.bin')))
        const [slow, ...quick] = readers
        slow?.slow(1)
        hold.release()
        for (const answer of await Promise.all(quick.map(reader => reader.finish()))) {
          expectWholeOrFailed(answer, body)
        }
        expect(origin.gets('/big.bin')).toBe(1)
        slow?.hurry()
        if (slow !== undefined) expectWholeOrFailed(await slow.finish(), body)
        await eventually(async () => expect(await stagedFiles(world.server)).toEqual([]))

        expect(await storeFault()).toMatchObject({ status: 'degraded' })
        expect((await storeFault()).reason).toMatch(/caching is off.*(ENOSPC|no space)/i)
        const passed = pattern(7 * MB, 42)
        origin.set('/passed.bin', { body: passed })
        for (let i = 0; i < 2; i++) {
          const answer = await get('passed.bin')
          expectWhole(answer, passed)
          expect(cacheStatusOf(answer)).toMatch(/fwd=bypass/)
        }

        rmSync(filler)
        const began = Date.now()
        await eventually(async () => {
          expectWhole(await get('passed.bin'), passed)
          expect(sourceOf(await get('passed.bin'))).toBe('cache')
        }, 15_000)
        expect(Date.now() - began).toBeLessThan(15_000)
        expect(await storeFault()).toEqual({ status: 'ok', reason: null })
      }, 60_000)
    })
  }
})

/** A data directory to be, whose blobs lie on a disk of 16 MB. */
function openSmallDisk() {
  const dataDir = join(tmpdir(), `artifactapi-full-disk-${crypto.randomUUID()}`)
  const blobs = join(dataDir, 'blobs')
  return {
    blobs,
    mount() {
      mkdirSync(blobs, { recursive: true })
      const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', blobs])
      if (status !== 0) throw new Error(`Cannot mount a disk at ${blobs}`)
      return dataDir
    },
    unmount() {
      spawnSync('umount', ['-l', blobs])
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

function canMount(): boolean {
  const disk = openSmallDisk()
  try {
    disk.mount()
    return true
  } catch {
    return false
  } finally {
    disk.unmount()
  }
}
