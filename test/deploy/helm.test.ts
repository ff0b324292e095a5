// deploy/helm: the chart hangs together by itself, and what Helm makes of it has the right shape, nothing missing,
// and a configuration that the program takes. Helm itself is no part of CI's machine: HELM may name one.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { readEnvironment } from '../../runtimes/shared/environment.ts'
import { environmentVariables } from '../../runtimes/shared/environment-table.ts'
import { answers, listDeploy, readDeploy, readSettings, readYaml, readYamls, run, version } from './files.ts'
import { brokenLinks, environmentOf, unknownVariables } from './kubernetes-links.ts'
import { type KubernetesObject, kubernetesObject, type Of } from './kubernetes-shapes.ts'

const CHART = 'helm/artifactapi'
const HELM = process.env.HELM ?? 'helm'

const templates = [
  ...listDeploy(`${CHART}/templates`).filter(file => /\.(yaml|tpl|txt)$/.test(file)),
  'tests/health.yaml',
].map(file => ({ file, text: readDeploy(`${CHART}/templates/${file}`) }))
const source = templates.map(({ text }) => text).join('\n')
const values = z.record(z.string(), z.unknown()).parse(readYaml(readDeploy(`${CHART}/values.yaml`)))
const schema = z
  .object({
    properties: z.record(
      z.string(),
      z.looseObject({ properties: z.record(z.string(), z.unknown()).optional() }),
    ),
  })
  .parse(JSON.parse(readDeploy(`${CHART}/values.schema.json`)))

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function matches(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(match => match[1] ?? ''))].sort()
}

describe('the chart', () => {
  it('is of the version of this build', () => {
    expect(readYaml(readDeploy(`${CHART}/Chart.yaml`))).toMatchObject({
      apiVersion: 'v2',
      version,
      appVersion: version,
    })
  })

  it('closes every block that it opens', () => {
    for (const { file, text } of templates) {
      const opened = text.match(/\{\{-?\s*(if|with|range|define)\s/g)?.length ?? 0
      const closed = text.match(/\{\{-?\s*end\s*-?\}\}/g)?.length ?? 0
      expect([file, closed]).toEqual([file, opened])
    }
  })

  it('defines every part that it includes, and includes every part that it defines', () => {
    expect(matches(source, /include "([^"]+)"/g)).toEqual(matches(source, /define "([^"]+)"/g))
  })

  it('uses every value, and only values that there are', () => {
    const used = matches(source, /\.Values\.(\w+)/g)
    expect(used).toEqual(Object.keys(values).sort())
    for (const path of matches(source, /\.Values\.(\w+\.\w+)/g)) {
      const [group = '', key = ''] = path.split('.')
      expect([path, isRecord(values[group]) && key in (values[group] as object)]).toEqual([path, true])
    }
  })

  it('has a schema of the same values', () => {
    const { global: _, ...known } = schema.properties
    expect(Object.keys(known).sort()).toEqual(Object.keys(values).sort())
    for (const [name, { properties }] of Object.entries(known)) {
      const value = values[name]
      // What is free, or empty by default, has no keys of its own.
      if (properties === undefined || !isRecord(value) || Object.keys(value).length === 0) continue
      expect([name, Object.keys(properties).sort()]).toEqual([name, Object.keys(value).sort()])
    }
  })

  it('has a schema that its own values keep to, and a typing mistake does not', () => {
    const check = z.fromJSONSchema(JSON.parse(readDeploy(`${CHART}/values.schema.json`)))
    expect(check.safeParse(values).success).toBe(true)
    expect(check.safeParse({ ...values, replicaCuont: 2 }).success).toBe(false)
    expect(check.safeParse({ ...values, image: { tagg: '1' } }).success).toBe(false)
    expect(check.safeParse({ ...values, env: { LOG_LEVEL: 'debug' } }).success).toBe(true)
    expect(check.safeParse({ ...values, env: { LOG_LEVLE: 'debug' } }).success).toBe(false)
  })

  it('lets exactly those variables through that are no secret and have no value of their own', () => {
    const environment = templates.find(({ file }) => file === '_environment.tpl')!.text
    const made = matches(environment, /(?:- name: |"name" ")([A-Z_]+)/g)
    const fixed = ['LISTEN_ADDR', 'BLOB_CACHE_DIR', 'REDIS_TOKEN']
    const free = environmentVariables
      .filter(variable => !('isSecret' in variable))
      .map(({ name }): string => name)
      .filter(name => !made.includes(name) && !fixed.includes(name))
    const { env } = z
      .object({ env: z.object({ propertyNames: z.object({ enum: z.array(z.string()) }) }) })
      .parse(schema.properties)
    expect([...env.propertyNames.enum].sort()).toEqual(free.sort())
    expect(unknownVariables(made)).toEqual(['POD_IP'])
  })
})

describe.skipIf(!answers(HELM, 'version'))('helm (needs helm, or HELM)', () => {
  const shared = {
    replicaCount: 3,
    publicUrl: 'https://artifacts.example.com',
    settings: {
      remotes: { github: { base_url: 'https://github.com', patterns: ['^a/.*\\.tgz$', "it's: {x}"] } },
    },
    adminToken: { existingSecret: 'my-admin' },
    postgres: { host: 'pg.example.com', password: 'p"w: {}' },
    redis: { existingSecret: 'my-redis', key: 'url' },
    s3: { endpoint: 's3.example.com', accessKey: 'key', secretKey: 'se/cret', secure: false },
    env: { COLLECT_GRACE_SECONDS: '2592000' },
  }

  function template(given: object) {
    const folder = mkdtempSync(join(tmpdir(), 'artifactapi-chart-'))
    try {
      const file = join(folder, 'values.json')
      writeFileSync(file, JSON.stringify(given))
      return run(HELM, ['template', 'demo', CHART, '--namespace', 'here', '--values', file])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  function render(given: object, elsewhere: readonly string[] = []): KubernetesObject[] {
    const { status, out, error } = template(given)
    expect([status, error]).toEqual([0, ''])
    const objects = readYamls(out).map(each => kubernetesObject.parse(each))
    expect(brokenLinks(objects, { elsewhere })).toEqual([])
    return objects
  }

  function deploymentOf(objects: readonly KubernetesObject[]): Of<'Deployment'>['spec'] {
    return objects.find((each): each is Of<'Deployment'> => each.kind === 'Deployment')!.spec
  }

  const kindsOf = (objects: readonly KubernetesObject[]) => objects.map(({ kind }) => kind).sort()

  it('lints it, warnings included', () => {
    const { status, out } = run(HELM, ['lint', '--strict', CHART])
    expect([status, out]).toEqual([0, expect.stringContaining('0 chart(s) failed')])
  })

  it('makes one replica on a volume of its own by default', () => {
    const objects = render({})
    expect(kindsOf(objects)).toEqual([
      'Deployment',
      'NetworkPolicy',
      'PersistentVolumeClaim',
      'Pod',
      'Service',
    ])
    const { replicas, strategy, template } = deploymentOf(objects)
    expect([replicas, strategy]).toEqual([1, { type: 'Recreate' }])
    const env = environmentOf(objects, template.spec.containers[0]!)
    expect(env).toEqual({ DATA_DIR: '/data' })
    expect(template.spec.volumes).toEqual([
      { name: 'data', persistentVolumeClaim: { claimName: 'demo-artifactapi-data' } },
    ])
  })

  it('makes replicas that keep nothing over shared stores', () => {
    const objects = render(shared, ['my-admin', 'my-redis'])
    expect(kindsOf(objects)).toEqual([
      'ConfigMap',
      'Deployment',
      'NetworkPolicy',
      'Pod',
      'PodDisruptionBudget',
      'Secret',
      'Service',
    ])
    const { replicas, strategy, template } = deploymentOf(objects)
    expect([replicas, strategy.type]).toEqual([3, 'RollingUpdate'])
    const { POD_IP: _, ...env } = environmentOf(objects, template.spec.containers[0]!)
    expect(unknownVariables(Object.keys(env))).toEqual([])
    const { backends, advertise, options } = readEnvironment({ ...env, REDIS_URL: 'redis://r' }, () => '')
    expect(backends.postgres).toMatchObject({ host: 'pg.example.com', port: 5432, password: 'p"w: {}' })
    expect(backends.s3).toMatchObject({ endpoint: 'http://s3.example.com', secretKey: 'se/cret' })
    expect(advertise).toEqual({ host: '10.0.0.7', port: 8001 })
    expect(options).toMatchObject({ adminToken: 'from-elsewhere', collectGraceSeconds: 2_592_000 })
  })

  it('hands the settings on as they are', () => {
    const objects = render(shared, ['my-admin', 'my-redis'])
    const { data } = objects.find((each): each is Of<'ConfigMap'> => each.kind === 'ConfigMap')!
    expect(readYaml(data['remotes.yaml']!)).toEqual(shared.settings)
    expect([...readSettings(data['remotes.yaml']!).repositories.keys()]).toEqual(['github'])
  })

  it('replaces the pods when a secret changes, and not when settings do', () => {
    const sum = (given: object) =>
      deploymentOf(render(given, ['my-admin', 'my-redis'])).template.metadata.annotations?.[
        'checksum/secrets'
      ]
    const before = sum(shared)
    expect(before).toMatch(/^[0-9a-f]{64}$/)
    expect(sum({ ...shared, settings: {} })).toBe(before)
    expect(sum({ ...shared, postgres: { ...shared.postgres, password: 'x' } })).not.toBe(before)
  })

  it('scales by load, and lets clients in by TLS', () => {
    const objects = render(
      { ...shared, autoscaling: { enabled: true }, ingress: { enabled: true, tlsSecret: 'cert' } },
      ['my-admin', 'my-redis'],
    )
    expect(kindsOf(objects)).toEqual(expect.arrayContaining(['HorizontalPodAutoscaler', 'Ingress']))
    expect(deploymentOf(objects).replicas).toBeUndefined()
    const ingress = objects.find((each): each is Of<'Ingress'> => each.kind === 'Ingress')!
    expect(Object.keys(ingress.metadata.annotations ?? {}).filter(key => key.includes('rewrite'))).toEqual([])
    expect(ingress.spec.tls).toEqual([{ hosts: ['artifacts.example.com'], secretName: 'cert' }])
  })

  it('keeps the volume where only one of catalog and blobs is elsewhere', () => {
    const { postgres, adminToken } = shared
    const objects = render({ postgres, adminToken }, ['my-admin'])
    expect(kindsOf(objects)).toContain('PersistentVolumeClaim')
    expect(deploymentOf(objects).strategy.type).toBe('Recreate')
  })

  it.each([
    ['replicas that share nothing', { replicaCount: 2 }, 'More than one replica needs'],
    ['scaling what shares nothing', { autoscaling: { enabled: true } }, 'More than one replica needs'],
    ['replicas that each make a token', { ...shared, adminToken: {} }, 'no place to keep a token'],
    ['S3 without keys', { ...shared, s3: { endpoint: 'x' } }, 'S3 needs keys'],
    ['repositories said twice', { ...shared, existingConfigMap: 'x' }, 'said twice'],
    ['a value that there is not', { replicas: 2 }, "'replicas' not allowed"],
    ['a variable that there is not', { env: { LOG_LEVLE: 'x' } }, 'value must be one of'],
    ['a number that Helm would print as 1e+06', { env: { SCRUB_MBPS: 1_000_000 } }, 'want string'],
  ])('refuses %s', (_, given, reason) => {
    const { status, error } = template(given)
    expect([status, error]).toEqual([1, expect.stringContaining(reason)])
  })
})
