// A configuration that breaks while the server runs: what ran before goes on, the fault is told with its place, and
// putting it right heals everything without a restart.

import { writeFile } from 'node:fs/promises'
import { kill } from 'node:process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AppServer } from '../app-server.ts'
import { eventually, parseJson } from '../contracts/app/suite.ts'
import { type Origin, startOrigin } from '../origin.ts'
import { rawRequest } from '../raw-http.ts'
import { startServer } from '../servers.ts'

for (const runtime of ['bun', 'node', 'deno'] as const) {
  describe(`a configuration that breaks while it runs (${runtime})`, () => {
    let origin: Origin
    let server: AppServer

    const yaml = (...names: string[]) =>
      `remotes:\n${names.map(name => `  ${name}:\n    package: generic\n    base_url: ${origin.url}\n`).join('')}`
    const get = (path: string) => rawRequest({ port: server.port, path })
    const read = async (repo: string) => (await get(`/api/v1/remote/${repo}/file.bin`)).status
    const health = async () => JSON.stringify(parseJson(await get('/health')).degraded)

    beforeAll(async () => {
      origin = await startOrigin()
      origin.set('/file.bin', { body: 'file' })
      server = await startServer(runtime, { yaml: yaml('one') })
    })
    afterAll(async () => {
      await server.stop()
      await origin.close()
    })

    // What reads the file is the same everywhere; what hears the signal is not.
    const faults = [
      ['what is no YAML', 'remotes:\n  two: [\n', /remotes\.yaml:\d+:\d+/],
      ['a wrong value', `remotes:\n  one:\n    package: generic\n    base_url: 7\n`, /remotes\.yaml:4:15/],
    ] as const
    it.each(runtime === 'bun' ? faults : [])(
      'goes on with what ran before, tells the place of %s, and heals',
      async (_, broken, place) => {
        await writeFile(server.configPath, broken)
        await eventually(async () => expect(await health()).toMatch(place))
        expect(await health()).toMatch(/configuration/)
        expect((await get('/ready')).status).toBe(200)
        expect([await read('one'), await read('two')]).toEqual([200, 404])

        await writeFile(server.configPath, yaml('one', 'two'))
        await eventually(async () => expect(await read('two')).toBe(200))
        expect(await health()).toBe('[]')
        expect(await read('one')).toBe(200)
        await writeFile(server.configPath, yaml('one'))
        await eventually(async () => expect(await read('two')).toBe(404))
      },
    )

    it('reads it again at once on SIGHUP', async () => {
      // Also without the signal it is seen within two seconds: six times in a row at once is no luck.
      for (let i = 0; i < 6; i++) {
        await writeFile(server.configPath, i % 2 === 0 ? yaml('one', 'three') : yaml('one'))
        kill(server.pid(), 'SIGHUP')
        await eventually(async () => expect(await read('three')).toBe(i % 2 === 0 ? 200 : 404), 500)
      }
    })
  })
}
