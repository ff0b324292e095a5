// How Kubernetes objects hang together: whatever one of them names has to be there, on the port and under the labels
// it is named by. Each broken link is one sentence.

import { environmentVariables } from '../../runtimes/shared/environment-table.ts'
import type { Container, KubernetesObject, Of, PodSpec } from './kubernetes-shapes.ts'

export interface LinkOptions {
  /** Secrets and ConfigMaps that the operator makes: they need not be among the objects. */
  readonly elsewhere: readonly string[]
}

interface Workload {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly pod: PodSpec
}

export function brokenLinks(objects: readonly KubernetesObject[], { elsewhere }: LinkOptions): string[] {
  const faults: string[] = []
  const all = <K extends KubernetesObject['kind']>(kind: K) =>
    objects.filter((object): object is Of<K> => object.kind === kind)
  const workloads = all('Deployment').map(
    ({ metadata, spec }): Workload => ({
      name: metadata.name,
      labels: spec.template.metadata.labels,
      pod: spec.template.spec,
    }),
  )
  const pods = [
    ...workloads,
    ...all('Pod').map(each => ({ name: each.metadata.name, labels: {}, pod: each.spec })),
  ]
  const selected = (labels: Readonly<Record<string, string>>) =>
    workloads.filter(workload =>
      Object.entries(labels).every(([key, value]) => workload.labels[key] === value),
    )

  function need(isThere: boolean, fault: string): void {
    if (!isThere) faults.push(fault)
  }
  function needNamed(kind: 'Secret' | 'ConfigMap' | 'PersistentVolumeClaim', name: string, by: string): void {
    const isThere = all(kind).some(({ metadata }) => metadata.name === name) || elsewhere.includes(name)
    need(isThere, `${by}: there is no ${kind} ${name}`)
  }

  const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
  for (const name of new Set(names)) {
    need(names.filter(each => each === name).length === 1, `${name} is there twice`)
  }
  for (const { metadata, spec } of all('Deployment')) {
    const found = selected(spec.selector.matchLabels).map(({ name }) => name)
    need(found.join() === metadata.name, `${metadata.name}: its selector finds ${found.join() || 'nothing'}`)
  }
  for (const { name, pod } of pods) {
    for (const container of pod.containers) checkContainer(name, pod, container)
    for (const volume of pod.volumes ?? []) {
      if ('configMap' in volume) needNamed('ConfigMap', volume.configMap.name, name)
      if ('persistentVolumeClaim' in volume)
        needNamed('PersistentVolumeClaim', volume.persistentVolumeClaim.claimName, name)
      const isMounted = pod.containers.some(each =>
        each.volumeMounts?.some(mount => mount.name === volume.name),
      )
      need(isMounted, `${name}: volume ${volume.name} is mounted nowhere`)
    }
  }
  for (const { metadata, spec } of all('Service')) {
    const found = selected(spec.selector)
    need(found.length === 1, `Service ${metadata.name}: finds ${found.length} workloads`)
    for (const { targetPort } of spec.ports) {
      const isOpen = found.every(({ pod }) => pod.containers.some(each => hasPort(each, targetPort)))
      need(isOpen, `Service ${metadata.name}: nothing listens on ${targetPort}`)
    }
  }
  for (const { metadata, spec } of all('PodDisruptionBudget')) {
    need(
      selected(spec.selector.matchLabels).length === 1,
      `PodDisruptionBudget ${metadata.name} finds nothing`,
    )
  }
  for (const { metadata, spec } of all('NetworkPolicy')) {
    for (const { podSelector } of [spec, ...spec.ingress.flatMap(rule => rule.from ?? [])]) {
      const wanted = [
        podSelector.matchLabels ?? {},
        ...(podSelector.matchExpressions ?? []).flatMap(({ key, values }) =>
          values.map(value => ({ [key]: value })),
        ),
      ]
      need(
        wanted.every(labels => selected(labels).length > 0),
        `NetworkPolicy ${metadata.name} finds nothing`,
      )
    }
  }
  for (const { metadata, spec } of all('HorizontalPodAutoscaler')) {
    const isThere = workloads.some(({ name }) => name === spec.scaleTargetRef.name)
    need(isThere, `HorizontalPodAutoscaler ${metadata.name}: there is no ${spec.scaleTargetRef.name}`)
  }
  for (const { metadata, spec } of all('Ingress')) {
    for (const { backend } of spec.rules.flatMap(rule => rule.http.paths)) {
      const { name, port } = backend.service
      const service = all('Service').find(each => each.metadata.name === name)
      const isOpen = service?.spec.ports.some(each =>
        'number' in port ? each.port === port.number : each.name === port.name,
      )
      need(isOpen === true, `Ingress ${metadata.name}: there is no port ${JSON.stringify(port)} of ${name}`)
    }
  }
  return faults

  function checkContainer(name: string, pod: PodSpec, container: Container): void {
    const { image, env = [], envFrom = [], volumeMounts = [] } = container
    need(/:[\w.-]+$/.test(image) && !image.endsWith(':latest'), `${name}: ${image} has no version`)
    for (const mount of volumeMounts) {
      need(
        pod.volumes?.some(each => each.name === mount.name) ?? false,
        `${name}: there is no volume ${mount.name}`,
      )
    }
    for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe]) {
      const port = probe?.httpGet?.port
      need(port === undefined || hasPort(container, port), `${name}: nothing listens on ${port} for a probe`)
    }
    for (const { secretRef } of envFrom) needNamed('Secret', secretRef.name, name)
    env.forEach((variable, at) => {
      if ('valueFrom' in variable && 'secretKeyRef' in variable.valueFrom) {
        const { name: secret, key } = variable.valueFrom.secretKeyRef
        needNamed('Secret', secret, name)
        const made = all('Secret').find(each => each.metadata.name === secret)
        need(made === undefined || key in made.stringData, `${name}: Secret ${secret} has no ${key}`)
      }
      const used = 'value' in variable ? [...variable.value.matchAll(/\$\((\w+)\)/g)] : []
      for (const [, other] of used) {
        const isBefore = env.slice(0, at).some(each => each.name === other)
        need(isBefore, `${name}: ${variable.name} uses ${other}, which is not before it`)
      }
    })
  }
}

function hasPort(container: Container, port: number | string): boolean {
  return container.ports?.some(each => each.containerPort === port || each.name === port) ?? false
}

/** The variables of a container as the process sees them; secrets from elsewhere have the value "from-elsewhere". */
export function environmentOf(
  objects: readonly KubernetesObject[],
  container: Container,
): Record<string, string> {
  const secrets = new Map(
    objects.flatMap(each => (each.kind === 'Secret' ? [[each.metadata.name, each.stringData] as const] : [])),
  )
  const env: Record<string, string> = {}
  for (const { secretRef } of container.envFrom ?? []) Object.assign(env, secrets.get(secretRef.name))
  for (const variable of container.env ?? []) {
    if ('value' in variable) {
      env[variable.name] = variable.value.replace(/\$\((\w+)\)/g, (whole, name) => env[name] ?? whole)
    } else if ('fieldRef' in variable.valueFrom) env[variable.name] = '10.0.0.7'
    else {
      const { name, key } = variable.valueFrom.secretKeyRef
      env[variable.name] = secrets.get(name)?.[key] ?? 'from-elsewhere'
    }
  }
  return env
}

/** Names that the program would not read. */
export function unknownVariables(names: readonly string[]): string[] {
  const known = environmentVariables.flatMap(variable =>
    'isSecret' in variable ? [variable.name, `${variable.name}_FILE`] : [variable.name],
  )
  return names.filter(name => !known.some(each => each === name))
}
