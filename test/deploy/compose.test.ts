// The compose files: their shape, what they name is there, and each service is given what its program reads. Compose
// itself is no part of CI's machine; where it is, it has the last word.

import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { readEnvironment } from '../../runtimes/shared/environment.ts'
import { answers, DEPLOY, readDeploy, readSettings, readYaml, run, version } from './files.ts'
import { unknownVariables } from './kubernetes-links.ts'

const text = z.string().min(1)
const seconds = z.string().regex(/^\d+s$/)

/** As far as we use it; strict, so that a typing mistake is none of Compose's to find. */
const service = z.strictObject({
  image: z.string().regex(/:(?!latest$)[\w.-]+$/),
  build: z.strictObject({ context: text, dockerfile: text }).optional(),
  command: z.array(z.string()).optional(),
  user: z
    .string()
    .regex(/^\d+:\d+$/)
    .optional(),
  deploy: z.strictObject({ replicas: z.int() }).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  secrets: z.array(text).optional(),
  ports: z.array(z.string().regex(/^\$\{PORT:-8000\}:\d+$/)).optional(),
  volumes: z.array(text).optional(),
  tmpfs: z.array(text).optional(),
  depends_on: z.record(z.string(), z.strictObject({ condition: z.literal('service_healthy') })).optional(),
  healthcheck: z
    .strictObject({ test: z.array(text).min(2), interval: seconds, timeout: seconds, retries: z.int() })
    .optional(),
  stop_grace_period: seconds.optional(),
  restart: z.literal('unless-stopped'),
  read_only: z.literal(true).optional(),
  cap_drop: z.tuple([z.literal('ALL')]).optional(),
  security_opt: z.tuple([z.literal('no-new-privileges:true')]).optional(),
})

const compose = z.strictObject({
  name: text,
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.null()),
  secrets: z.record(z.string(), z.strictObject({ file: z.string().startsWith('./secrets/') })).optional(),
})

const FILES = ['docker-compose.yml', 'docker-compose.embedded.yml']
const [replicas, embedded] = FILES.map(file => compose.parse(readYaml(readDeploy(file))))

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'artifactapi-compose-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function makeSecrets(): string {
  const secrets = join(folder, 'secrets')
  expect(run('sh', ['make-secrets.sh', secrets])).toEqual({ status: 0, out: '', error: '' })
  return secrets
}

/** Variables with their defaults, as Compose puts them in. */
function environmentOf(given: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, value.replace(/^\$\{\w+:-(.*)\}$/, '$1')]),
  )
}

describe.each([
  { file: FILES[0], project: replicas! },
  { file: FILES[1], project: embedded! },
])('deploy/$file', ({ project }) => {
  const { services, volumes, secrets = {} } = project

  it('names only what is there', () => {
    for (const [name, each] of Object.entries(services)) {
      const missing = [
        ...(each.secrets ?? []).filter(secret => !(secret in secrets)),
        ...Object.keys(each.depends_on ?? {}).filter(other => !(other in services)),
        ...(each.volumes ?? []).filter(volume => !isThere(volume)),
        ...(each.command ?? [])
          .filter(word => word.startsWith('/run/secrets/'))
          .filter(word => !each.secrets?.includes(word.slice('/run/secrets/'.length))),
      ]
      expect([name, missing]).toEqual([name, []])
    }
  })

  function isThere(volume: string): boolean {
    const [from = '', to] = volume.split(':')
    return to === undefined || from in volumes || existsSync(join(DEPLOY, from))
  }

  it('uses every volume and secret', () => {
    const used = Object.values(services).flatMap(({ volumes = [] }) =>
      volumes.map(each => each.split(':')[0]),
    )
    expect(Object.keys(volumes).filter(name => !used.includes(name))).toEqual([])
    const read = Object.values(services).flatMap(each => each.secrets ?? [])
    expect(Object.keys(secrets).filter(name => !read.includes(name))).toEqual([])
  })

  it('builds the image of this version from the Dockerfile', () => {
    const { image, build } = services.artifactapi!
    expect(image).toBe(`artifactapi:${version}`)
    expect(existsSync(resolve(DEPLOY, build!.context, build!.dockerfile))).toBe(true)
  })

  it('gives the program only variables that it reads, and a folder that has its CONFIG_PATH', () => {
    const { environment = {}, volumes = [] } = services.artifactapi!
    expect(unknownVariables(Object.keys(environment))).toEqual([])
    expect(environment.CONFIG_PATH).toBe('/etc/artifactapi/remotes.yaml')
    expect(volumes).toContain('./config:/etc/artifactapi:ro')
  })

  it('leaves 30 s and more to running answers', () => {
    expect(Number.parseInt(services.artifactapi!.stop_grace_period!, 10)).toBeGreaterThan(35)
  })

  it('runs with nothing it does not need: no capability, no file of the image to write to', () => {
    expect(services.artifactapi).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    })
  })
})

describe('the configuration of both', () => {
  it('loads', () => {
    const settings = readSettings(readDeploy('config/remotes.yaml'))
    expect([...settings.repositories.keys()]).toEqual(['github', 'hashicorp-releases', 'files'])
    expect(settings.warnings).toEqual([])
  })
})

describe('the replicas', () => {
  const { services } = replicas!

  it('select Postgres, Redis and S3 at the names of their services, with the secrets that were made', () => {
    const secrets = makeSecrets()
    const read = (path: string) => readFileSync(path.replace('/run/secrets', secrets), 'utf8')
    const { backends, options } = readEnvironment(environmentOf(services.artifactapi?.environment), read)
    expect(backends.postgres?.host).toBe('postgres')
    expect(backends.postgres?.password).toMatch(/^[0-9a-f]{48}$/)
    expect(backends.s3?.endpoint).toBe('http://minio:9000')
    expect(backends.s3?.secretKey).toMatch(/^[0-9a-f]{48}$/)
    expect(options.adminToken).toMatch(/^[0-9a-f]{48}$/)
    const { hostname, port, password } = new URL(backends.redis!.url)
    expect([hostname, port]).toEqual(['redis', '6379'])
    expect(read('/run/secrets/redis_conf')).toBe(`requirepass ${password}\n`)
  })

  it('wait for stores that are well, and the balancer for them', () => {
    expect(Object.keys(services.artifactapi?.depends_on ?? {})).toEqual(['postgres', 'redis', 'minio'])
    expect(Object.keys(services.nginx?.depends_on ?? {})).toEqual(['artifactapi'])
    const without = Object.entries(services).filter(([, each]) => each.healthcheck === undefined)
    // Its own is in the image.
    expect(without.map(([name]) => name)).toEqual(['artifactapi'])
  })

  it('each have a /data of their own, and no port of the host', () => {
    expect(services.artifactapi).toMatchObject({ deploy: { replicas: 2 } })
    expect(services.artifactapi?.volumes).toContain('/data')
    const open = Object.entries(services).filter(([, each]) => each.ports !== undefined)
    expect(open.map(([name]) => name)).toEqual(['nginx'])
  })

  it('are found by the balancer under the name of their service', () => {
    const conf = readDeploy('nginx.conf')
    expect(conf).toContain('server artifactapi:8000 resolve ')
    expect(services.nginx?.ports).toEqual([`\${PORT:-8000}:${/listen (\d+);/.exec(conf)?.[1]}`])
  })
})

describe('make-secrets.sh', () => {
  it('leaves what is there as it is', () => {
    const secrets = makeSecrets()
    const before = readdirSync(secrets).map(file => [file, readFileSync(join(secrets, file), 'utf8')])
    expect(before.length).toBe(Object.keys(replicas?.secrets ?? {}).length)
    makeSecrets()
    expect(readdirSync(secrets).map(file => [file, readFileSync(join(secrets, file), 'utf8')])).toEqual(
      before,
    )
  })

  it('makes files that the containers can read, in a folder that others cannot enter', () => {
    const secrets = makeSecrets()
    expect(statSync(secrets).mode & 0o777).toBe(0o700)
    expect(readdirSync(secrets).map(file => statSync(join(secrets, file)).mode & 0o777)).toEqual(
      Array(Object.keys(replicas?.secrets ?? {}).length).fill(0o444),
    )
  })

  it('makes the URL of Redis again when its password was', () => {
    const secrets = makeSecrets()
    rmSync(join(secrets, 'redis_conf'))
    makeSecrets()
    const password = /^requirepass (\w+)$/m.exec(readFileSync(join(secrets, 'redis_conf'), 'utf8'))?.[1]
    expect(readFileSync(join(secrets, 'redis_url'), 'utf8')).toBe(`redis://:${password}@redis:6379\n`)
  })
})

describe.skipIf(!answers('docker', 'compose', 'version'))('docker compose (needs its plugin)', () => {
  it.each(FILES)('takes %s', file => {
    expect(run('docker', ['compose', '-f', file, 'config', '--quiet'])).toMatchObject({
      status: 0,
      error: '',
    })
  })
})

describe.skipIf(!answers('docker-compose', 'version'))(
  'docker-compose (needs Debian’s package of that name)',
  () => {
    it.each(FILES)('takes %s', file => {
      const place = join(folder, 'deploy')
      cpSync(join(DEPLOY, 'config'), join(place, 'config'), { recursive: true })
      copyFileSync(join(DEPLOY, file), join(place, file))
      // Version 1 knows no name in the file.
      expect(run('sed', ['-i', '/^name:/d', file], place).status).toBe(0)
      expect(run('docker-compose', ['-f', file, 'config', '--quiet'], place)).toMatchObject({
        status: 0,
        error: '',
      })
    })
  },
)
