// Blob files that are cut, lost or changed on the disk: what can be seen at once is never served, the rest is found
// by reading back, and all of it is fetched again.

import { spawn } from 'node:child_process'
import { readFileSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { eventually, sourceOf, useWorld } from '../contracts/app/suite.ts'
import { type Body, pattern } from '../origin.ts'
import { PROJECT } from '../servers.ts'
import { blobFiles, blobPath, expectWhole, suiteOf, withCatalog } from './world.ts'

const PROGRAMS = {
  bun: ['node_modules/.bin/bun', 'runtimes/bun/main.ts'],
  node: ['node_modules/node/bin/node', 'runtimes/node/main.ts'],
} as const

for (const runtime of ['bun', 'node'] as const) {
  describe(`damaged blobs (${runtime})`, () => {
    const world = useWorld(
      suiteOf(runtime),
      { files: {}, uploads: { type: 'local' } },
      { env: { SCRUB_MBPS: '0' } },
    )
    const scrubbing = useWorld(
      suiteOf(runtime),
      { files: {}, uploads: { type: 'local' } },
      { env: { SCRUB_MBPS: '1000', MAINTENANCE_SECONDS: '1', HOT_CACHE_MB: '0' } },
    )

    it('a file that was cut or lost is noticed at once, and fetched again', async () => {
      const { origin, get } = world.repo('files')
      const damages = [
        (path: string, size: number) => truncateSync(path, size * 0.6),
        (path: string) => truncateSync(path, 0),
        (path: string) => unlinkSync(path),
      ]
      const bodies = new Map<string, Body>()
      for (const [i, damage] of damages.entries()) {
        for (const size of [100_000, 1_000_000]) {
          const path = `cut-${i}-${size}.bin`
          const body = pattern(size, 50 + i)
          origin.set(`/${path}`, { body })
          for (let n = 0; n < 3; n++) expectWhole(await get(path), body)
          damage(blobPath(world.server, body.sha256), size)
          const answer = await get(path)
          expectWhole(answer, body)
          // What is small and asked for often may still be in memory.
          if (size > 262_144) expect(sourceOf(answer)).toBe('remote')
          bodies.set(path, body)
        }
      }
      // Nothing is in memory any more.
      await world.server.restart()
      for (const [path, body] of bodies) {
        expectWhole(await get(path), body)
        const answer = await get(path)
        expectWhole(answer, body)
        expect(sourceOf(answer)).toBe('cache')
      }
    })

    it('a byte that changed is found by `verify`, which names the object and exits with 1', async () => {
      const { origin, get } = world.repo('files')
      const [sound, changed] = [pattern(700_000, 61), pattern(700_000, 62)]
      origin.set('/sound.bin', { body: sound })
      origin.set('/changed.bin', { body: changed })
      await get('sound.bin')
      await get('changed.bin')
      expect(await verify()).toMatchObject({ code: 0 })
      flipByte(blobPath(world.server, changed.sha256), 350_000)
      const { code, output } = await verify()
      expect(code).toBe(1)
      expect(output).toMatch(new RegExp(`damaged.*${changed.sha256}.*files/changed\\.bin`))
      expect(output).not.toContain(sound.sha256)
      const answer = await get('changed.bin')
      expectWhole(answer, changed)
      expect(sourceOf(answer)).toBe('remote')
      expect(await verify()).toMatchObject({ code: 0 })
    })

    it('a byte that changed is found in the background, dropped and fetched again', async () => {
      const { origin, get } = scrubbing.repo('files')
      const body = pattern(700_000, 63)
      origin.set('/changed.bin', { body })
      await get('changed.bin')
      await get('changed.bin')
      flipByte(blobPath(scrubbing.server, body.sha256), 1)
      makeDue()
      await eventually(async () => expect(await blobFiles(scrubbing.server)).not.toContain(body.sha256))
      const answer = await get('changed.bin')
      expectWhole(answer, body)
      expect(sourceOf(answer)).toBe('remote')
      expect(scrubbing.server.logs()).toContain(body.sha256)
    })

    it('an upload that changed on the disk is refused from then on, not served wrong', async () => {
      const { put, get } = scrubbing.repo('uploads')
      const body = pattern(700_000, 64)
      expect((await put('only-here.bin', body.slice())).status).toBe(201)
      expectWhole(await get('only-here.bin'), body)
      flipByte(blobPath(scrubbing.server, body.sha256), 699_999)
      makeDue()
      await eventually(async () => expect((await get('only-here.bin')).status).toBe(500))
      expect(scrubbing.server.logs()).toContain('upload again uploads/only-here.bin')
      expect((await get('only-here.bin')).text).toContain('only-here.bin')
    })

    /** What was just stored counts as verified for a day. */
    function makeDue() {
      withCatalog(scrubbing.server, database => database.exec('update blobs set verified_at = 0'))
    }

    /** The command, beside the running server. */
    async function verify(): Promise<{ code: number | null; output: string }> {
      const [program, script] = PROGRAMS[runtime]
      const { dataDir, configPath } = world.server
      const env = { PATH: process.env.PATH, DATA_DIR: dataDir, CONFIG_PATH: configPath }
      const child = spawn(join(PROJECT, program), [script, 'verify'], { cwd: PROJECT, env })
      let output = ''
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', chunk => {
          output += String(chunk)
        })
      }
      const code = await new Promise<number | null>(resolve => child.on('close', resolve))
      return { code, output }
    }
  })
}

function flipByte(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(path, bytes)
}
