// A real S3 server for tests: Ceph's RGW on free ports of this machine, started by `scripts/services/s3-ceph.sh`. Its
// programs are fetched once into node_modules/.cache/ceph; CEPH_ROOT names another place that has them already.

import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { S3Options } from '../../src/drivers/s3-requests.ts'
import { freePort } from '../servers.ts'
import { hasCondition } from '../tools.ts'

const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const SCRIPT = join(PROJECT, 'scripts/services/s3-ceph.sh')
const ROOT = process.env.CEPH_ROOT ?? join(PROJECT, 'node_modules/.cache/ceph')
const run = promisify(execFile)

export interface S3Service {
  readonly port: number
  /** As a client is configured, path style, for a bucket that need not exist. */
  options(bucket: string): S3Options
  /** The variables that choose it. */
  environment(bucket: string): Record<string, string>
  /** As a power cut would; what it stored stays. Nobody listens then. */
  crash(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

export const S3_NEEDS = 'needs Ceph: Debian 12, or CEPH_ROOT'

/** To be used as `describe.skipIf(!hasS3())`. */
export function hasS3(): boolean {
  return hasCondition(
    'Ceph (Debian 12 with apt-get, or CEPH_ROOT)',
    existsSync(programOf(ROOT)) || isFetchable(),
  )
}

export async function startS3(): Promise<S3Service> {
  if (!existsSync(programOf(ROOT))) await run(SCRIPT, ['fetch', ROOT])
  const directory = await mkdtemp(join(tmpdir(), 's3-'))
  const port = await freePort()
  // A test run that is broken off leaves no server behind.
  const env = { ...process.env, CEPH_OWNER: String(process.pid) }
  await run(SCRIPT, ['start', ROOT, directory, String(port)], { env })
  return {
    port,
    options: bucket => ({
      endpoint: `http://127.0.0.1:${port}`,
      accessKey: 'test',
      secretKey: 'testsecret',
      bucket,
      region: 'us-east-1',
      isPathStyle: true,
    }),
    environment: bucket => ({
      MINIO_ENDPOINT: `127.0.0.1:${port}`,
      MINIO_ACCESS_KEY: 'test',
      MINIO_SECRET_KEY: 'testsecret',
      MINIO_BUCKET: bucket,
    }),
    async crash() {
      await run(SCRIPT, ['crash', directory])
    },
    async restart() {
      await run(SCRIPT, ['restart', directory])
    },
    async stop() {
      await run(SCRIPT, ['stop', directory])
    },
  }
}

function programOf(root: string): string {
  return join(root, 'usr/bin/radosgw')
}

function isFetchable(): boolean {
  const isDebian12 =
    existsSync('/etc/debian_version') && readFileSync('/etc/debian_version', 'utf8').startsWith('12.')
  return isDebian12 && ['apt-get', 'dpkg-deb', 'curl', '/usr/bin/python3'].every(isProgram)
}

function isProgram(name: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name], { stdio: 'ignore' }).status === 0
}
