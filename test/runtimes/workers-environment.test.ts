// What the operator of a Worker may set, and what is refused with its reason rather than ignored.

import { describe, expect, it } from 'vitest'
import { Problem } from '../../src/model/problem.ts'
import { startWorker } from '../workerd.ts'

interface WorkerEnvironment {
  readonly options: { readonly collectGraceSeconds: number }
  readonly originLimits: { readonly idleMs: number }
  readonly postgres: { readonly options: Record<string, unknown>; readonly isPooled: boolean } | null
  readonly redis: { readonly url: string; readonly token?: string } | null
  readonly maintenanceCalls: number
  readonly warnings: readonly string[]
}

// By a variable, so that the types of the Worker stay out of the types of the tests.
const module = '../../runtimes/workers/worker-environment.ts'
const { readWorkerEnvironment }: { readWorkerEnvironment(env: object): WorkerEnvironment } = await import(
  module
)

const bound = { BLOBS: {}, LEASES: {}, FLIGHTS: {} }
const withD1 = { ...bound, DB: {}, VALUES: {} }
const hyperdrive = { host: 'h.hyperdrive.local', port: 5432, user: 'u', password: 'p', database: 'd' }

describe('the environment of a Worker', () => {
  it('is whole with the bindings alone', () => {
    const environment = readWorkerEnvironment(withD1)
    expect(environment).toMatchObject({ postgres: null, redis: null, maintenanceCalls: 800, warnings: [] })
    expect(environment.options.collectGraceSeconds).toBe(300)
  })

  it('takes the variables of all runtimes', () => {
    const set = { COLLECT_GRACE_SECONDS: '7', ORIGIN_IDLE_SECONDS: '3', MAINTENANCE_CALLS: '40' }
    const environment = readWorkerEnvironment({ ...withD1, ...set })
    expect(environment.options.collectGraceSeconds).toBe(7)
    expect(environment.originLimits.idleMs).toBe(3000)
    expect(environment.maintenanceCalls).toBe(40)
  })

  it.each([
    ['MINIO_ENDPOINT', 's3:9000', /R2 bucket/],
    ['MINIO_SECRET_KEY_FILE', '/run/secret', /R2 bucket/],
    ['BLOB_CACHE_DIR', '/cache', /R2 bucket/],
    ['BLOB_CACHE_SIZE', '1GB', /R2 bucket/],
    ['ADVERTISE_ADDR', '10.0.0.1:8001', /Durable Objects/],
    ['WORKERS', '4', /the platform/],
    ['LISTEN_ADDR', ':80', /the platform listens/],
    ['HTTP_SERVER', 'node', /the platform listens/],
    ['CONFIG_PATH', '/etc/remotes.yaml', /REMOTES_YAML/],
    ['DATA_DIR', '/data', /no files/],
    ['ADMIN_TOKEN_FILE', '/run/secret', /wrangler secret put/],
    ['DBPASS_FILE', '/run/secret', /wrangler secret put/],
    ['DBCAFILE', '/ca.pem', /no files/],
    ['DBPOOL', '20', /a connection of its own/],
    ['REDIS_URL', 'redis://redis:6379', /only https:/],
    ['REDIS_URL', 'rediss://redis:6379', /only https:/],
    ['ORIGIN_CONNECT_TO', 'a:80=1.2.3.4:80', /resolves names/],
  ])('refuses %s=%s', (name, value, reason) => {
    const faults = faultsOf({ ...withD1, [name]: value })
    expect(faults).toHaveLength(1)
    expect(faults[0]).toContain(`${name}: cannot be used on Workers: `)
    expect(faults[0]).toMatch(reason)
  })

  it('takes an empty variable for one that is not set', () => {
    expect(readWorkerEnvironment({ ...withD1, MINIO_ENDPOINT: '', WORKERS: '' }).postgres).toBeNull()
  })

  it('tells every fault at once', () => {
    const faults = faultsOf({ DB: {}, WORKERS: '4', LOG_LEVEL: 'loud', MAINTENANCE_CALLS: '3' })
    expect(faults.map(fault => fault.split(':')[0])).toEqual([
      'BLOBS',
      'LEASES',
      'FLIGHTS',
      'WORKERS',
      'LOG_LEVEL',
      'MAINTENANCE_CALLS',
    ])
  })

  it.each(['HOT_CACHE_MB', 'MISS_WAIT_MS', 'SCRUB_MBPS', 'MAINTENANCE_SECONDS', 'ORIGIN_CONNECT_SECONDS'])(
    'warns that %s changes nothing',
    name => {
      const { warnings } = readWorkerEnvironment({ ...withD1, [name]: '5' })
      expect(warnings).toEqual([expect.stringContaining(`${name} is set, and changes nothing: `)])
    },
  )

  it('chooses Postgres by its variables, with or without D1', () => {
    for (const env of [bound, withD1]) {
      const { postgres } = readWorkerEnvironment({
        ...env,
        DBHOST: 'db.example',
        DBPASS: 's',
        DBSSLMODE: 'require',
      })
      expect(postgres).toMatchObject({
        isPooled: false,
        options: { host: 'db.example', port: 5432, password: 's', tls: 'require', schema: 'artifactapi' },
      })
    }
  })

  it('chooses Postgres by Hyperdrive, in the schema that is asked for', () => {
    const { postgres } = readWorkerEnvironment({ ...bound, HYPERDRIVE: hyperdrive, DBSCHEMA: 'mine' })
    expect(postgres).toMatchObject({
      isPooled: true,
      options: { ...hyperdrive, schema: 'mine', tls: 'disable' },
    })
  })

  it('refuses to choose between Hyperdrive and a host', () => {
    const faults = faultsOf({ ...bound, HYPERDRIVE: hyperdrive, DBHOST: 'db.example' })
    expect(faults).toEqual(['DBHOST: HYPERDRIVE is bound, and says it too; unset one of the two'])
  })

  it('needs rows somewhere', () => {
    expect(faultsOf(bound)).toEqual([expect.stringMatching(/^DB: a D1 database must be bound/)])
  })

  it('chooses Upstash by an https:// REDIS_URL', () => {
    const { redis } = readWorkerEnvironment({ ...withD1, REDIS_URL: 'https://x.example', REDIS_TOKEN: 't' })
    expect(redis).toMatchObject({ url: 'https://x.example', token: 't' })
  })

  it('that is refused is not served, and clients hear no more than that', async () => {
    const worker = await startWorker('runtimes/workers/main.ts', {
      remotes: {},
      env: { ADVERTISE_ADDR: 'a:1' },
    })
    const answer = await worker.dispatchFetch('http://worker/health')
    expect([answer.status, await answer.text()]).toEqual([
      503,
      'Cannot serve: the configuration does not validate, see the log\n',
    ])
    await worker.dispose()
  })
})

function faultsOf(env: object): readonly string[] {
  try {
    readWorkerEnvironment(env)
  } catch (error) {
    if (error instanceof Problem && error.code === 'settings-invalid') return error.detail.faults as string[]
    throw error
  }
  throw new Error('There are no faults')
}
