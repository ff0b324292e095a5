// The environment: defaults, every value checked, every fault at once, no secret shown.

import { describe, expect, it } from 'vitest'
import { readEnvironment } from '../../runtimes/shared/environment.ts'
import { environmentVariables } from '../../runtimes/shared/environment-table.ts'
import { Problem } from '../../src/model/problem.ts'

const noFiles = (path: string): string => {
  throw new Error(`no such file: ${path}`)
}
const read = (env: Record<string, string | undefined>) => readEnvironment(env, noFiles)

describe('the environment', () => {
  it('has a default for everything', () => {
    expect(read({ PATH: '/bin', DBUS_SESSION_BUS_ADDRESS: 'x', ADMIN_TOKEN: '' })).toEqual({
      listen: { host: null, port: 8000 },
      configPath: './remotes.yaml',
      isDefaultConfigPath: true,
      backends: { postgres: null, redis: null, s3: null, blobCache: null },
      advertise: null,
      workers: 1,
      dataDir: './data',
      logLevel: 'info',
      httpServer: null,
      connectTo: new Map(),
      originLimits: { connectMs: 10_000, firstByteMs: 30_000, idleMs: 60_000 },
      options: {
        publicUrl: null,
        adminToken: null,
        anonymousRead: true,
        missWaitMs: 250,
        hotCacheBytes: 67_108_864,
        cacheMaxBytes: null,
        scrubBytesPerSecond: 4_194_304,
        collectGraceSeconds: 300,
        maintenanceMs: 60_000,
      },
      warnings: [],
    })
  })

  it('reads every value', () => {
    const environment = read({
      LISTEN_ADDR: '127.0.0.1:0',
      CONFIG_PATH: './remotes.yaml',
      DATA_DIR: '/data',
      PUBLIC_URL: 'https://Artifacts.example.com/',
      ADMIN_TOKEN: 'token',
      ANONYMOUS_READ: 'false',
      LOG_LEVEL: 'DEBUG',
      MISS_WAIT_MS: '0',
      HOT_CACHE_MB: '0.5',
      CACHE_MAX_SIZE: '200GB',
      SCRUB_MBPS: '0',
      COLLECT_GRACE_SECONDS: '60',
      HTTP_SERVER: 'node',
      MAINTENANCE_SECONDS: '5',
      ORIGIN_CONNECT_SECONDS: '0.5',
      ORIGIN_FIRST_BYTE_SECONDS: '2',
      ORIGIN_IDLE_SECONDS: '86400',
      ORIGIN_CONNECT_TO: 'GitHub.com:443=127.0.0.1:8443, a.example.com:80=[::1]:81',
    })
    expect(environment).toMatchObject({
      listen: { host: '127.0.0.1', port: 0 },
      isDefaultConfigPath: false,
      dataDir: '/data',
      logLevel: 'debug',
      httpServer: 'node',
      originLimits: { connectMs: 500, firstByteMs: 2000, idleMs: 86_400_000 },
    })
    expect([...environment.connectTo]).toEqual([
      ['github.com:443', '127.0.0.1:8443'],
      ['a.example.com:80', '[::1]:81'],
    ])
    expect(environment.options).toEqual({
      publicUrl: 'https://artifacts.example.com',
      adminToken: 'token',
      anonymousRead: false,
      missWaitMs: 0,
      hotCacheBytes: 524_288,
      cacheMaxBytes: 200_000_000_000,
      scrubBytesPerSecond: 0,
      collectGraceSeconds: 60,
      maintenanceMs: 5000,
    })
  })

  it.each([
    [':80', { host: null, port: 80 }],
    ['[::1]:80', { host: '::1', port: 80 }],
    ['localhost:9000', { host: 'localhost', port: 9000 }],
  ])('listens on %s', (text, listen) => {
    expect(read({ LISTEN_ADDR: text }).listen).toEqual(listen)
  })

  it.each([
    ['LISTEN_ADDR', '8000'],
    ['LISTEN_ADDR', ':65536'],
    ['LISTEN_ADDR', '::1:80'],
    ['ANONYMOUS_READ', 'maybe'],
    ['LOG_LEVEL', 'loud'],
    ['MISS_WAIT_MS', '2.5'],
    ['ORIGIN_IDLE_SECONDS', '0'],
    ['MAINTENANCE_SECONDS', 'often'],
    ['HOT_CACHE_MB', '-1'],
    ['SCRUB_MBPS', '4MB'],
    ['CACHE_MAX_SIZE', 'lots'],
    ['COLLECT_GRACE_SECONDS', '1e3'],
    ['HTTP_SERVER', 'deno'],
    ['PUBLIC_URL', 'artifacts.example.com'],
    ['PUBLIC_URL', 'https://a.example.com/?x'],
    ['ORIGIN_CONNECT_TO', 'github.com=127.0.0.1:80'],
    ['ORIGIN_CONNECT_TO', 'github.com:443=elsewhere.example.com:443'],
  ])('refuses %s=%s', (name, value) => {
    expect(faultsOf({ [name]: value })).toEqual([expect.stringMatching(`^${name}: expected .*, got "`)])
  })

  it('reads a secret from a file', () => {
    const environment = readEnvironment({ ADMIN_TOKEN_FILE: '/run/token' }, path =>
      path === '/run/token' ? 's3cret\n' : '',
    )
    expect(environment.options.adminToken).toBe('s3cret')
    expect(faultsOf({ ADMIN_TOKEN_FILE: '/run/token' })).toEqual([
      'ADMIN_TOKEN_FILE: cannot read /run/token: no such file: /run/token',
    ])
    expect(faultsOf({ ADMIN_TOKEN_FILE: '/run/token', ADMIN_TOKEN: 'x' })).toEqual([
      'ADMIN_TOKEN_FILE: ADMIN_TOKEN is set too; unset one of the two',
    ])
  })

  it('keeps everything embedded while nothing else is set', () => {
    expect(read({}).backends).toEqual({ postgres: null, redis: null, s3: null, blobCache: null })
    expect(read({ DBHOST: '', MINIO_BUCKET: '', REDIS_URL: '' }).backends.postgres).toBeNull()
  })

  it('takes Postgres for any variable of its group, with defaults for the rest', () => {
    expect(read({ DBPASS: 's3cret' }).backends).toMatchObject({
      postgres: {
        host: 'localhost',
        port: 5432,
        user: 'artifacts',
        password: 's3cret',
        database: 'artifacts',
        schema: 'artifactapi',
        tls: 'disable',
        connections: 10,
      },
      redis: null,
      s3: null,
    })
  })

  it('takes S3 for any variable of its group, with a disk in front of it', () => {
    const keys = { MINIO_ACCESS_KEY: 'key', MINIO_SECRET_KEY: 's3cret' }
    expect(read({ ...keys, DATA_DIR: '/data' }).backends).toMatchObject({
      s3: { endpoint: 'http://localhost:9000', bucket: 'artifacts', region: 'us-east-1', isPathStyle: true },
      blobCache: { directory: '/data/blob-cache', limitBytes: 10_000_000_000 },
      postgres: null,
    })
    const aws = { ...keys, MINIO_ENDPOINT: 's3.eu-west-1.amazonaws.com', MINIO_SECURE: 'true' }
    expect(read({ ...aws, BLOB_CACHE_SIZE: '0' }).backends).toMatchObject({
      s3: { endpoint: 'https://s3.eu-west-1.amazonaws.com', isPathStyle: false },
      blobCache: null,
    })
  })

  it('takes Redis for its URL, also from a file', () => {
    const environment = readEnvironment(
      { REDIS_URL_FILE: '/run/redis' },
      () => 'redis://:s3cret@redis:6379\n',
    )
    expect(environment.backends.redis?.url).toBe('redis://:s3cret@redis:6379')
  })

  it.each([
    [{ DBPORT: 'x' }, 'DBPORT: expected a port, got "x"'],
    [{ DBSCHEMA: 'My Schema' }, 'DBSCHEMA: expected a name'],
    [{ DBHOST: 'db', DBSSLMODE: 'prefer' }, 'DBSSLMODE: expected disable, require or verify-full'],
    [{ DBHOST: 'db', DBCAFILE: '/ca' }, 'DBCAFILE: cannot read /ca'],
    [{ REDIS_URL: 'localhost' }, 'REDIS_URL: expected redis://'],
    [{ MINIO_BUCKET: 'b', MINIO_SECRET_KEY: 's3cret' }, 'MINIO_ACCESS_KEY: it is needed for S3'],
    [{ ADVERTISE_ADDR: ':8001' }, 'ADVERTISE_ADDR: expected host:port'],
    [{ WORKERS: '0' }, 'WORKERS: expected a number of processes'],
  ])('refuses %o', (env, fault) => {
    expect(faultsOf(env)).toEqual([expect.stringContaining(fault)])
  })

  it('says what is set and changes nothing', () => {
    expect(read({ TF_SIGNING_KEY_PATH: '/key' }).warnings).toEqual([
      expect.stringMatching(/^TF_SIGNING_KEY_PATH is set, and changes nothing/),
    ])
  })

  it('reports all faults at once, without secrets', () => {
    const faults = faultsOf({
      LISTEN_ADDR: 'x',
      LOG_LEVEL: 'x',
      DBPASS: 's3cret',
      DBPORT: 'x',
      ADMIN_TOKEN: 's3 cret',
      PUBLIC_URL: 'x://u:s3cret@h',
    })
    const names = faults.map(line => line.split(':')[0])
    expect(names).toEqual(['ADMIN_TOKEN', 'LISTEN_ADDR', 'LOG_LEVEL', 'DBPORT', 'PUBLIC_URL'])
    expect(faults.join('\n')).not.toMatch(/s3 ?cret/)
  })

  it('has a row in the table for every variable, once', () => {
    const names = environmentVariables.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
  })
})

function faultsOf(env: Record<string, string>): string[] {
  try {
    read(env)
    return []
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    expect(error.message.split('\n')[0]).toBe('Cannot use the environment:')
    return error.message.split('\n').slice(1)
  }
}
