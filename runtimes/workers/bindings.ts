// What a wrangler.toml binds to the Worker, and the variables that only a Worker knows.

import type { LeaseObject } from './durable-lease.ts'

export interface Bindings {
  readonly BLOBS: R2Bucket
  readonly LEASES: DurableObjectNamespace<LeaseObject>
  readonly FLIGHTS: DurableObjectNamespace
  /** The catalog; without it, in Postgres. */
  readonly DB?: D1Database
  /** Postgres through Hyperdrive, instead of the variables that begin with DB. */
  readonly HYPERDRIVE?: Hyperdrive
  /** Without it, what may be forgotten is in the Cache API alone. */
  readonly VALUES?: KVNamespace
  /** The text of remotes.yaml; else the value of the key `remotes.yaml` in VALUES; else a starter set. */
  readonly REMOTES_YAML?: string
  /** How many calls of its stores one scheduled run may make. */
  readonly MAINTENANCE_CALLS?: string
}

/** Those variables that are text, under their names. */
export function variablesOf(env: Bindings): Record<string, string> {
  const variables: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) if (typeof value === 'string') variables[name] = value
  return variables
}
