// What wrangler.toml binds to the Worker, and the variables an operator may set beside them.

import type { LeaseObject } from './durable-lease.ts'

export interface Bindings {
  readonly BLOBS: R2Bucket
  readonly DB: D1Database
  readonly VALUES: KVNamespace
  readonly LEASES: DurableObjectNamespace<LeaseObject>
  readonly FLIGHTS: DurableObjectNamespace
  /** The text of remotes.yaml; else the value of the key `remotes.yaml` in VALUES; else a starter set. */
  readonly REMOTES_YAML?: string
}

/** Those variables that are text, under their names. */
export function variablesOf(env: Bindings): Record<string, string> {
  const variables: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) if (typeof value === 'string') variables[name] = value
  return variables
}
