// Replicas over Postgres, Redis and S3 behind a balancer, all of them real and all of them throwaway.

import type { AppServer, RuntimeName } from './app-server.ts'
import { startServer } from './servers.ts'
import { type Balancer, hasNginx, startBalancer } from './services/nginx.ts'
import { hasPostgres, type PostgresService, startPostgres } from './services/postgres.ts'
import { hasRedis, type RedisService, startRedis } from './services/redis.ts'
import { hasS3, type S3Service, startS3 } from './services/s3.ts'

export interface Stores {
  readonly postgres: PostgresService
  readonly redis: RedisService
  readonly s3: S3Service
  /** The variables that choose them. */
  readonly environment: Readonly<Record<string, string>>
  stop(): Promise<void>
}

export interface Cluster {
  readonly stores: Stores
  readonly replicas: readonly AppServer[]
  readonly balancer: Balancer
  stop(): Promise<void>
}

export interface ClusterOptions {
  readonly yaml: string
  readonly replicas?: number
  readonly runtime?: RuntimeName
  readonly env?: Readonly<Record<string, string>>
  /** Further variables of one replica. */
  readonly envOf?: (index: number) => Readonly<Record<string, string>>
  /** The last replica's group, by which a firewall knows it. */
  readonly gidOfLast?: number
  /** Stores that are there already; else they are started, and stopped with the cluster. */
  readonly stores?: Stores
}

/** To be used as `describe.skipIf(!hasCluster())`. */
export function hasCluster(): boolean {
  return [hasPostgres(), hasRedis(), hasS3(), hasNginx()].every(Boolean)
}

export async function startStores(): Promise<Stores> {
  const [postgres, redis, s3] = await Promise.all([startPostgres(), startRedis(), startS3()])
  return {
    postgres,
    redis,
    s3,
    environment: { ...postgres.environment(), ...redis.environment(), ...s3.environment('artifacts') },
    async stop() {
      await Promise.all([postgres.stop(), redis.stop(), s3.stop()])
    },
  }
}

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { yaml, replicas: count = 3, runtime = 'bun', env, envOf = () => ({}) } = options
  const stores = options.stores ?? (await startStores())
  const start = (_: unknown, index: number) =>
    startServer(runtime, {
      yaml,
      gid: index === count - 1 ? options.gidOfLast : undefined,
      env: { ...stores.environment, ADVERTISE_ADDR: '127.0.0.1:0', ...env, ...envOf(index) },
    })
  // All at once: they make the tables together.
  const started = await Promise.allSettled(Array.from({ length: count }, start))
  const replicas = started.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
  const failed = started.find(each => each.status === 'rejected')
  if (failed !== undefined) {
    await Promise.all(replicas.map(replica => replica.stop()))
    if (options.stores === undefined) await stores.stop()
    throw failed.reason
  }
  const balancer = await startBalancer(replicas.map(({ port }) => port))
  return {
    stores,
    replicas,
    balancer,
    async stop() {
      await balancer.stop()
      await Promise.allSettled(replicas.map(replica => replica.stop()))
      if (options.stores === undefined) await stores.stop()
    },
  }
}
