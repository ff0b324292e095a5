// The Worker with its catalog in Postgres instead of D1, its stores kept over a restart.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AppServer } from '../app-server.ts'
import { type Origin, pattern, sha256Of, startOrigin } from '../origin.ts'
import { rawRequest } from '../raw-http.ts'
import { startServer } from '../servers.ts'
import { hasPostgres, type PostgresService, startPostgres } from '../services/postgres.ts'

describe.skipIf(!hasPostgres())('the Worker on Postgres', () => {
  let postgres: PostgresService
  let origin: Origin
  let server: AppServer
  beforeAll(async () => {
    postgres = await startPostgres()
    origin = await startOrigin()
    const remotes = { files: { base_url: origin.url }, uploads: { type: 'local', package: 'generic' } }
    server = await startServer('workers', { yaml: JSON.stringify({ remotes }), env: postgres.environment() })
  })
  afterAll(async () => {
    await server?.stop()
    await origin?.close()
    await postgres?.stop()
  })

  const ask = (path: string, more: { method?: string; body?: string } = {}) => {
    const headers = { authorization: `Bearer ${server.adminToken}` }
    return rawRequest({ port: server.port, path, headers, ...more })
  }
  const fetchFile = async (path: string) => {
    const answer = await ask(`/api/v1/remote/files${path}`)
    return [answer.status, answer.headers.get('x-artifact-source'), answer.end, sha256Of(answer.body)]
  }

  it('says so', async () => {
    const ready = JSON.parse((await ask('/ready')).text)
    const product = `Postgres 127.0.0.1:${postgres.port}/postgres schema artifactapi`
    expect(JSON.stringify(ready)).toContain(product)
  })

  it('keeps what it fetched and what was uploaded, over a restart', async () => {
    const body = pattern(3_000_000, 1)
    origin.set('/a.bin', { body })
    expect(await fetchFile('/a.bin')).toEqual([200, 'remote', 'clean', body.sha256])
    expect(await fetchFile('/a.bin')).toEqual([200, 'cache', 'clean', body.sha256])
    expect((await ask('/api/v1/remote/uploads/x.txt', { method: 'PUT', body: 'mine' })).status).toBe(201)
    await server.restart()
    expect(await fetchFile('/a.bin')).toEqual([200, 'cache', 'clean', body.sha256])
    expect((await ask('/api/v1/remote/uploads/x.txt')).text).toBe('mine')
    expect(origin.gets('/a.bin')).toBe(1)
    expect(await postgres.psql('select count(*) from artifactapi.objects')).toBe('2')
  })

  it('serves thirty clients at once, cold and warm, for one origin request, and leaves no connection behind', async () => {
    const body = pattern(500_000, 2)
    origin.set('/b.bin', { body })
    const fetchAll = () => Promise.all(Array.from({ length: 30 }, () => fetchFile('/b.bin')))
    for (const [status, , end, sha256] of [...(await fetchAll()), ...(await fetchAll())])
      expect([status, end, sha256]).toEqual([200, 'clean', body.sha256])
    expect(origin.gets('/b.bin')).toBe(1)
    const ours = `select count(*) from pg_stat_activity where application_name = 'artifactapi'`
    await expect.poll(() => postgres.psql(ours), { timeout: 5_000 }).toBe('0')
  })

  it('goes on when the server was away', async () => {
    await postgres.crash()
    expect((await ask('/api/v1/remote/files/b.bin')).status).toBe(503)
    await postgres.restart()
    await expect.poll(async () => (await fetchFile('/b.bin'))[0], { timeout: 10_000 }).toBe(200)
    expect(origin.gets('/b.bin')).toBe(1)
  })
})
