// What the operator of a Worker set: the same variables as elsewhere, but for those that a Worker cannot follow, which are
// faults, and its bindings. Every fault is reported at once.

import type { PostgresOptions } from '../../src/drivers/postgres-connection.ts'
import type { RedisOptions } from '../../src/drivers/redis-commands.ts'
import { Problem } from '../../src/model/problem.ts'
import type { LogLevel } from '../../src/ports/log.ts'
import type { Options } from '../../src/services.ts'
import { type Environment, readEnvironment } from '../shared/environment.ts'
import { type Bindings, variablesOf } from './bindings.ts'

export interface WorkerEnvironment {
  readonly options: Options
  readonly logLevel: LogLevel
  readonly originLimits: Environment['originLimits']
  /** Null = D1. */
  readonly postgres: WorkerPostgres | null
  /** Upstash; null = Workers KV and the cache. */
  readonly redis: RedisOptions | null
  /** Of the stores, in one scheduled run. */
  readonly maintenanceCalls: number
  /** To be logged once. */
  readonly warnings: readonly string[]
}

export interface WorkerPostgres {
  readonly options: PostgresOptions
  /** Through Hyperdrive, which gives each transaction whatever connection it has. */
  readonly isPooled: boolean
}

/** Below the 1000 that Cloudflare allows an invocation. */
const MAINTENANCE_CALLS = 800
/** What it takes to look around; with less nothing would ever be done. */
const LEAST_CALLS = 30

const PLATFORM = 'the platform listens, and starts as many as it takes'
const NO_FILES = 'a Worker has no files'
const R2_ONLY = 'a Worker keeps blobs in the R2 bucket bound as BLOBS'

/** A variable, or the beginning of several, and why a Worker cannot do what it asks for. */
const IMPOSSIBLE: readonly (readonly [RegExp, string])[] = [
  [/^(LISTEN_ADDR|HTTP_SERVER|WORKERS)$/, PLATFORM],
  [/^ADVERTISE_ADDR$/, 'downloads in flight are in Durable Objects, where all find them'],
  [/^CONFIG_PATH$/, `${NO_FILES}; set REMOTES_YAML, or the key remotes.yaml of Workers KV`],
  [/^DATA_DIR$/, `${NO_FILES}; bind R2 and D1`],
  [/^(DBCAFILE|REDIS_CA_FILE)$/, `${NO_FILES}; the platform trusts the usual authorities only`],
  [/^(ADMIN_TOKEN|DBPASS|REDIS_URL|REDIS_TOKEN)_FILE$/, `${NO_FILES}; use a secret: npx wrangler secret put`],
  [/^(MINIO|BLOB_CACHE)_/, R2_ONLY],
  [/^DBPOOL$/, 'each request has a connection of its own'],
  [/^ORIGIN_CONNECT_TO$/, 'the platform resolves names'],
]

/** What changes nothing, and does no harm either. */
const IDLE: readonly (readonly [string, string])[] = [
  ['HOT_CACHE_MB', 'an isolate keeps no bodies in memory'],
  ['MISS_WAIT_MS', 'streamed bodies keep their length on Workers'],
  ['SCRUB_MBPS', 'blobs in R2 are not read back on Workers'],
  ['MAINTENANCE_SECONDS', 'the cron trigger of wrangler.toml says when'],
  ['ORIGIN_CONNECT_SECONDS', 'the platform connects'],
]

/** Throws `settings-invalid` with every fault on a line of its own. */
export function readWorkerEnvironment(env: Bindings): WorkerEnvironment {
  const variables = variablesOf(env)
  const faults = bindingFaults(env)
  const isSet = (name: string) => (variables[name] ?? '') !== ''
  for (const name of Object.keys(variables).filter(isSet)) {
    const reason = IMPOSSIBLE.find(([pattern]) => pattern.test(name))?.[1]
    if (reason === undefined) continue
    faults.push(`${name}: cannot be used on Workers: ${reason}`)
    delete variables[name]
  }
  const environment = readRest(variables, faults)
  const redis = environment?.backends.redis ?? null
  if (redis !== null && !/^https?:/.test(redis.url))
    faults.push('REDIS_URL: cannot be used on Workers: only https:// can, such as Upstash offers it')
  const maintenanceCalls = readCalls(env.MAINTENANCE_CALLS, faults)
  const postgres = environment === null ? null : readPostgres(env, environment, isSet, faults)
  if (environment === null || faults.length > 0) {
    throw new Problem('settings-invalid', `Cannot use the environment:\n${faults.join('\n')}`, { faults })
  }
  const { options, logLevel, originLimits, warnings } = environment
  const idle = IDLE.filter(([name]) => isSet(name))
  return {
    options,
    logLevel,
    originLimits,
    postgres,
    redis,
    maintenanceCalls,
    warnings: [
      ...warnings,
      ...idle.map(([name, reason]) => `${name} is set, and changes nothing: ${reason}`),
    ],
  }
}

function bindingFaults(env: Bindings): string[] {
  const needed = { BLOBS: 'an R2 bucket', LEASES: 'Durable Objects', FLIGHTS: 'Durable Objects' } as const
  return (['BLOBS', 'LEASES', 'FLIGHTS'] as const)
    .filter(name => typeof env[name] !== 'object')
    .map(name => `${name}: ${needed[name]} must be bound under this name in wrangler.toml`)
}

function readRest(variables: Record<string, string>, faults: string[]): Environment | null {
  try {
    return readEnvironment(variables, () => {
      throw new Error(NO_FILES)
    })
  } catch (error) {
    if (!(error instanceof Problem) || !Array.isArray(error.detail.faults)) throw error
    faults.push(...error.detail.faults)
    return null
  }
}

function readCalls(text: string | undefined, faults: string[]): number {
  if (text === undefined || text === '') return MAINTENANCE_CALLS
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (count < LEAST_CALLS)
    faults.push(
      `MAINTENANCE_CALLS: expected a whole number, at least ${LEAST_CALLS}, got ${JSON.stringify(text)}`,
    )
  return count
}

function readPostgres(
  env: Bindings,
  { backends: { postgres } }: Environment,
  isSet: (name: string) => boolean,
  faults: string[],
): WorkerPostgres | null {
  const { HYPERDRIVE: hyperdrive, DB } = env
  if (hyperdrive === undefined) {
    if (postgres === null && DB === undefined)
      faults.push(
        'DB: a D1 database must be bound under this name, or Postgres be chosen: DBHOST, or HYPERDRIVE',
      )
    return postgres && { options: postgres, isPooled: false }
  }
  for (const name of ['DBHOST', 'DBPORT', 'DBUSER', 'DBPASS', 'DBNAME', 'DBSSLMODE'].filter(isSet))
    faults.push(`${name}: HYPERDRIVE is bound, and says it too; unset one of the two`)
  const { host, port, user, password, database } = hyperdrive
  const schema = postgres?.schema ?? 'artifactapi'
  // What leaves the platform, Hyperdrive encrypts.
  const options = { host, port, user, password, database, schema, tls: 'disable', connections: 1 } as const
  return { options, isPooled: true }
}
