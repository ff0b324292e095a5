// The shapes of the Kubernetes objects that deploy/ makes, as far as it uses them. Strict: a key that is not here is a
// typing mistake, or a new one that is to be added here.

import { z } from 'zod'

const text = z.string().min(1)
const labels = z.record(z.string(), z.string())
const port = z.int().min(1).max(65_535)
const portOrName = z.union([port, text])
const quantity = z.string().regex(/^\d+(\.\d+)?(m|Ki|Mi|Gi|Ti)?$/)
const selector = z.strictObject({ matchLabels: labels })

const metadata = z.strictObject({
  name: z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/),
  namespace: text.optional(),
  labels: labels.optional(),
  annotations: labels.optional(),
})

const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.string().startsWith('/'), port: portOrName }).optional(),
  exec: z.strictObject({ command: z.array(z.string()).min(1) }).optional(),
  initialDelaySeconds: z.int().optional(),
  periodSeconds: z.int(),
  timeoutSeconds: z.int().optional(),
  failureThreshold: z.int().optional(),
})

const secretKeyRef = z.strictObject({ name: text, key: text })

const variable = z.union([
  z.strictObject({ name: text, value: z.string() }),
  z.strictObject({
    name: text,
    valueFrom: z.union([
      z.strictObject({ secretKeyRef }),
      z.strictObject({ fieldRef: z.strictObject({ fieldPath: z.literal('status.podIP') }) }),
    ]),
  }),
])

const container = z.strictObject({
  name: text,
  image: text,
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  env: z.array(variable).optional(),
  envFrom: z.array(z.strictObject({ secretRef: z.strictObject({ name: text }) })).optional(),
  ports: z.array(z.strictObject({ name: text, containerPort: port })).optional(),
  startupProbe: probe.optional(),
  livenessProbe: probe.optional(),
  readinessProbe: probe.optional(),
  lifecycle: z
    .strictObject({ preStop: z.strictObject({ sleep: z.strictObject({ seconds: z.int() }) }) })
    .optional(),
  resources: z
    .strictObject({ requests: z.record(z.string(), quantity), limits: z.record(z.string(), quantity) })
    .optional(),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.boolean().optional(),
    capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  volumeMounts: z
    .array(
      z.strictObject({ name: text, mountPath: z.string().startsWith('/'), readOnly: z.boolean().optional() }),
    )
    .optional(),
})

const volume = z.union([
  z.strictObject({ name: text, configMap: z.strictObject({ name: text }) }),
  z.strictObject({ name: text, persistentVolumeClaim: z.strictObject({ claimName: text }) }),
  z.strictObject({ name: text, emptyDir: z.strictObject({ sizeLimit: quantity }) }),
])

/** What the profile "restricted" of Pod Security asks for is required here. */
const pod = z.strictObject({
  automountServiceAccountToken: z.literal(false),
  enableServiceLinks: z.boolean().optional(),
  terminationGracePeriodSeconds: z.int().optional(),
  restartPolicy: z.literal('Never').optional(),
  securityContext: z.strictObject({
    runAsNonRoot: z.literal(true),
    runAsUser: z.int().min(1),
    runAsGroup: z.int().min(1),
    fsGroup: z.int().min(1).optional(),
    fsGroupChangePolicy: z.literal('OnRootMismatch').optional(),
    seccompProfile: z.strictObject({ type: z.literal('RuntimeDefault') }),
  }),
  topologySpreadConstraints: z
    .array(
      z.strictObject({
        maxSkew: z.literal(1),
        topologyKey: text,
        whenUnsatisfiable: z.enum(['ScheduleAnyway', 'DoNotSchedule']),
        labelSelector: selector,
      }),
    )
    .optional(),
  containers: z.array(container).min(1),
  volumes: z.array(volume).optional(),
})

const strategy = z.union([
  z.strictObject({ type: z.literal('Recreate') }),
  z.strictObject({
    type: z.literal('RollingUpdate'),
    rollingUpdate: z.strictObject({ maxUnavailable: z.int(), maxSurge: z.int() }),
  }),
])

const podPeer = z.strictObject({
  podSelector: z.strictObject({
    matchLabels: labels.optional(),
    matchExpressions: z
      .array(z.strictObject({ key: text, operator: z.literal('In'), values: z.array(text).min(1) }))
      .optional(),
  }),
})

function kind<K extends string, A extends string, S extends z.ZodRawShape>(
  kindName: K,
  apiVersion: A,
  shape: S,
) {
  return z.strictObject({ kind: z.literal(kindName), apiVersion: z.literal(apiVersion), metadata, ...shape })
}

export const kubernetesObject = z.discriminatedUnion('kind', [
  kind('Namespace', 'v1', {}),
  kind('ConfigMap', 'v1', { data: z.record(z.string(), z.string()) }),
  kind('Secret', 'v1', { type: z.literal('Opaque'), stringData: z.record(z.string(), z.string()) }),
  kind('Service', 'v1', {
    spec: z.strictObject({
      type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']).optional(),
      selector: labels,
      ports: z.array(z.strictObject({ name: text, port, targetPort: portOrName })).min(1),
    }),
  }),
  kind('PersistentVolumeClaim', 'v1', {
    spec: z.strictObject({
      accessModes: z.array(z.enum(['ReadWriteOnce', 'ReadWriteOncePod', 'ReadWriteMany'])).min(1),
      storageClassName: text.optional(),
      resources: z.strictObject({ requests: z.strictObject({ storage: quantity }) }),
    }),
  }),
  kind('Deployment', 'apps/v1', {
    spec: z.strictObject({
      replicas: z.int().optional(),
      strategy,
      selector,
      template: z.strictObject({
        metadata: z.strictObject({ labels, annotations: labels.optional() }),
        spec: pod,
      }),
    }),
  }),
  kind('Pod', 'v1', { spec: pod }),
  kind('PodDisruptionBudget', 'policy/v1', {
    spec: z.strictObject({ maxUnavailable: z.union([z.int(), text]), selector }),
  }),
  kind('NetworkPolicy', 'networking.k8s.io/v1', {
    spec: z.strictObject({
      ...podPeer.shape,
      policyTypes: z.tuple([z.literal('Ingress')]),
      ingress: z.array(
        z.strictObject({
          from: z.array(podPeer).optional(),
          ports: z.array(z.strictObject({ port, endPort: port.optional() })).optional(),
        }),
      ),
    }),
  }),
  kind('HorizontalPodAutoscaler', 'autoscaling/v2', {
    spec: z.strictObject({
      scaleTargetRef: z.strictObject({ apiVersion: text, kind: text, name: text }),
      minReplicas: z.int().min(1),
      maxReplicas: z.int().min(1),
      metrics: z
        .array(
          z.strictObject({
            type: z.literal('Resource'),
            resource: z.strictObject({
              name: z.literal('cpu'),
              target: z.strictObject({ type: z.literal('Utilization'), averageUtilization: z.int() }),
            }),
          }),
        )
        .min(1),
    }),
  }),
  kind('Ingress', 'networking.k8s.io/v1', {
    spec: z.strictObject({
      ingressClassName: text,
      tls: z.array(z.strictObject({ hosts: z.array(text).min(1), secretName: text })).optional(),
      rules: z.array(
        z.strictObject({
          host: text,
          http: z.strictObject({
            paths: z.array(
              z.strictObject({
                path: z.literal('/'),
                pathType: z.literal('Prefix'),
                backend: z.strictObject({
                  service: z.strictObject({
                    name: text,
                    port: z.union([z.strictObject({ number: port }), z.strictObject({ name: text })]),
                  }),
                }),
              }),
            ),
          }),
        }),
      ),
    }),
  }),
])

export type KubernetesObject = z.infer<typeof kubernetesObject>
export type Of<K extends KubernetesObject['kind']> = Extract<KubernetesObject, { kind: K }>
export type Container = z.infer<typeof container>
export type PodSpec = z.infer<typeof pod>
