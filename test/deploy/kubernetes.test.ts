// deploy/kubernetes: every object has a shape that Kubernetes takes, whatever one names is there, and what the
// container is given is what the program reads.

import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { readEnvironment } from '../../runtimes/shared/environment.ts'
import { parseSize } from '../../src/model/size.ts'
import { answers, listDeploy, readDeploy, readSettings, readYaml, readYamls, run, version } from './files.ts'
import { brokenLinks, environmentOf, unknownVariables } from './kubernetes-links.ts'
import { type KubernetesObject, kubernetesObject, type Of } from './kubernetes-shapes.ts'

/** The one that is made by a command, so that no known token is ever published. */
const elsewhere = ['artifactapi-admin']
const files = listDeploy('kubernetes').filter(file => file !== 'kustomization.yaml')
const texts = files.map(file => readDeploy(`kubernetes/${file}`))
const objects = toObjects(texts)

function toObjects(from: readonly string[]): KubernetesObject[] {
  return from.flatMap(readYamls).map(each => kubernetesObject.parse(each))
}

function find<K extends KubernetesObject['kind']>(kind: K, name: string): Of<K> {
  const found = objects.find((each): each is Of<K> => each.kind === kind && each.metadata.name === name)
  if (found === undefined) throw new Error(`There is no ${kind} ${name}`)
  return found
}

const pod = find('Deployment', 'artifactapi').spec.template.spec
const container = pod.containers[0]!
const env = environmentOf(objects, container)

describe('deploy/kubernetes', () => {
  it('has the objects of the earlier pages under their names', () => {
    const names = objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    expect(names).toEqual(
      expect.arrayContaining([
        'Namespace/artifact-storage',
        'ConfigMap/artifactapi-config',
        'Secret/artifactapi-secret',
        ...['postgres', 'redis', 'minio', 'artifactapi'].map(name => `Deployment/${name}`),
        ...['postgres', 'redis', 'minio', 'artifactapi'].map(name => `Service/${name}-service`),
        ...['postgres', 'redis', 'minio'].map(name => `PersistentVolumeClaim/${name}-pvc`),
        'Ingress/artifactapi-ingress',
      ]),
    )
  })

  it('names nothing that is not there', () => {
    expect(brokenLinks(objects, { elsewhere })).toEqual([])
  })

  it('puts everything into the one namespace', () => {
    const placed = objects.filter(({ kind }) => kind !== 'Namespace')
    expect(new Set(placed.map(({ metadata }) => metadata.namespace))).toEqual(new Set(['artifact-storage']))
  })

  it('applies every file, with the version of this build', () => {
    const kustomization = z
      .object({
        resources: z.array(z.string()),
        images: z.array(z.object({ name: z.string(), newTag: z.string() })),
      })
      .parse(readYaml(readDeploy('kubernetes/kustomization.yaml')))
    expect([...kustomization.resources].sort()).toEqual(files)
    expect(kustomization.images).toEqual([{ name: 'artifactapi', newTag: version }])
    expect(container.image).toBe(`artifactapi:${version}`)
  })

  it('gives the program only variables that it reads', () => {
    const { POD_IP: _, ...own } = env
    expect(unknownVariables(Object.keys(own))).toEqual([])
  })

  it('selects Postgres, Redis and S3 by the names of their services', () => {
    const { backends, advertise, warnings } = readEnvironment(env, () => '')
    expect(backends.postgres).toMatchObject({
      host: 'postgres-service',
      user: 'artifacts',
      database: 'artifacts',
    })
    expect(backends.redis?.url).toBe('redis://redis-service:6379')
    expect(backends.s3).toMatchObject({ endpoint: 'http://minio-service:9000', isPathStyle: true })
    expect(advertise).toEqual({ host: '10.0.0.7', port: 8001 })
    expect(warnings).toEqual([])
  })

  it('mounts a remotes.yaml that loads, as a folder where CONFIG_PATH looks', () => {
    const settings = readSettings(find('ConfigMap', 'artifactapi-config').data['remotes.yaml']!)
    expect([...settings.repositories.keys()]).toEqual(['github', 'hashicorp-releases', 'files'])
    expect(settings.warnings).toEqual([])
    const mount = container.volumeMounts?.find(each => each.name === 'config-volume')
    expect(env.CONFIG_PATH).toBe(`${mount?.mountPath}/remotes.yaml`)
  })

  it('asks /health whether it lives and /ready whether it serves', () => {
    const paths = [container.startupProbe, container.livenessProbe, container.readinessProbe].map(
      probe => probe?.httpGet?.path,
    )
    expect(paths).toEqual(['/health', '/health', '/ready'])
  })

  it('leaves time to end: the pause, the 30 s of running answers, and more', () => {
    const pause = container.lifecycle?.preStop.sleep.seconds ?? 0
    expect(pause).toBeGreaterThanOrEqual(5)
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(pause + 30 + 5)
  })

  it('writes to /data only, which has room for twice the blob cache', () => {
    expect(container.securityContext.readOnlyRootFilesystem).toBe(true)
    const writable = container.volumeMounts?.filter(mount => mount.readOnly !== true)
    expect(writable?.map(mount => mount.mountPath)).toEqual(['/data'])
    const data = pod.volumes?.find(volume => volume.name === 'data')
    const limitGi =
      data !== undefined && 'emptyDir' in data ? Number.parseInt(data.emptyDir.sizeLimit, 10) : 0
    expect(limitGi * 2 ** 30).toBeGreaterThanOrEqual(2 * parseSize(env.BLOB_CACHE_SIZE!)!)
  })

  it('never takes a replica away before another is ready', () => {
    const { replicas, strategy } = find('Deployment', 'artifactapi').spec
    expect([replicas, strategy]).toEqual([
      2,
      { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    ])
  })

  it('rewrites no path and buffers no body on the way in', () => {
    const { annotations = {} } = find('Ingress', 'artifactapi-ingress').metadata
    const short = Object.fromEntries(
      Object.entries(annotations).map(([key, value]) => [
        key.replace('nginx.ingress.kubernetes.io/', ''),
        value,
      ]),
    )
    expect(Object.keys(short).filter(key => key.includes('rewrite'))).toEqual([])
    expect(short).toMatchObject({
      'proxy-body-size': '0',
      'proxy-request-buffering': 'off',
      'proxy-buffering': 'off',
      'proxy-read-timeout': '600',
    })
  })

  const mistakes: readonly (readonly [what: string, from: string, to: string, fault: string])[] = [
    [
      'a wrong label',
      'matchLabels:\n      app: redis',
      'matchLabels:\n      app: radish',
      'its selector finds nothing',
    ],
    [
      'a wrong claim',
      'claimName: minio-pvc',
      'claimName: minio-pcv',
      'there is no PersistentVolumeClaim minio-pcv',
    ],
    ['a wrong key', 'key: DBPASS', 'key: DB_PASS', 'Secret artifactapi-secret has no DB_PASS'],
    [
      'a wrong secret',
      'secretKeyRef: { name: artifactapi-admin,',
      'secretKeyRef: { name: admin,',
      'there is no Secret admin',
    ],
    ['a wrong port', 'targetPort: 5432', 'targetPort: 5433', 'nothing listens on 5433'],
    [
      'a wrong probe',
      'port: 8000\n            periodSeconds: 5',
      'port: 80\n            periodSeconds: 5',
      'for a probe',
    ],
    ['a wrong order', 'name: POD_IP', 'name: POD_ADDRESS', 'ADVERTISE_ADDR uses POD_IP'],
    ['no version', 'postgres:15-alpine', 'postgres:latest', 'has no version'],
    [
      'a wrong backend',
      'name: artifactapi-service\n                port',
      'name: artifactapi\n                port',
      'Ingress',
    ],
    ['a wrong policy', 'values: [postgres,', 'values: [postgresql,', 'NetworkPolicy stores finds nothing'],
  ]
  it.each(mistakes)('would be caught with %s', (_, from, to, fault) => {
    const changed = texts.map(text => text.replaceAll(from, to))
    expect(changed).not.toEqual(texts)
    expect(brokenLinks(toObjects(changed), { elsewhere }).join('\n')).toContain(fault)
  })

  it('would be caught with a key that Kubernetes does not know', () => {
    const changed = texts.map(text =>
      text.replace('terminationGracePeriodSeconds', 'terminationGracePeriodSecond'),
    )
    expect(() => toObjects(changed)).toThrow('terminationGracePeriodSecond')
  })
})

describe.skipIf(!answers('kubectl', 'kustomize', '--help'))('kubectl kustomize (needs kubectl)', () => {
  it('makes the same objects of it, with the label of the whole', () => {
    const { status, out, error } = run('kubectl', ['kustomize', 'kubernetes'])
    expect([status, error]).toEqual([0, ''])
    const made = toObjects([out])
    expect(made).toHaveLength(objects.length)
    expect(brokenLinks(made, { elsewhere })).toEqual([])
    expect(
      made.every(({ metadata }) => metadata.labels?.['app.kubernetes.io/part-of'] === 'artifactapi'),
    ).toBe(true)
  })
})
