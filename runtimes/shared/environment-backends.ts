// Which back ends the environment selects: any variable of a group selects it, and the rest of the group has
// defaults. With nothing set everything is embedded.

import type { PostgresOptions } from '../../src/drivers/postgres-connection.ts'
import type { RedisOptions } from '../../src/drivers/redis-commands.ts'
import type { S3Options } from '../../src/drivers/s3-requests.ts'
import { parseSize, SIZE_WORDS } from '../../src/model/size.ts'
import { type EnvironmentVariable, environmentVariables, type VariableName } from './environment-table.ts'

export interface Backends {
  readonly postgres: PostgresOptions | null
  readonly redis: RedisOptions | null
  readonly s3: S3Options | null
  /** The disk in front of S3; null = none. */
  readonly blobCache: { readonly directory: string; readonly limitBytes: number } | null
}

export type BackEnd = 'Postgres' | 'S3' | 'Redis'

/** How a variable is read; `parse` answers null for what it cannot be, which is a fault. */
export interface VariableReader {
  get(name: VariableName): string | null
  read<T>(name: VariableName, expected: string, parse: (text: string) => T | null): T | null
  fault(text: string): void
  /** The text of the file that a variable names. */
  file(name: VariableName): string | undefined
}

type Variables = Readonly<Record<string, string | undefined>>

export function readBackends(env: Variables, reader: VariableReader, dataDir: string): Backends {
  const s3 = isSelected(env, 'S3') ? readS3(reader) : null
  return {
    postgres: isSelected(env, 'Postgres') ? readPostgres(reader) : null,
    redis: isSelected(env, 'Redis') ? readRedis(reader) : null,
    s3,
    blobCache: s3 === null ? null : readBlobCache(reader, dataDir),
  }
}

/** True when any variable of the group is set, or names a file. */
function isSelected(env: Variables, backEnd: BackEnd): boolean {
  const variables: readonly EnvironmentVariable[] = environmentVariables
  return variables.some(({ name, selects, isSecret }) => {
    if (selects !== backEnd) return false
    return [env[name], isSecret === true ? env[`${name}_FILE`] : ''].some(each => (each ?? '') !== '')
  })
}

function readPostgres({ get, read, file, fault }: VariableReader): PostgresOptions {
  const schema = get('DBSCHEMA') ?? ''
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    fault(`DBSCHEMA: expected a name of lower-case letters, digits and "_", got ${JSON.stringify(schema)}`)
  const tls = read('DBSSLMODE', 'disable, require or verify-full', text =>
    text === 'disable' || text === 'require' || text === 'verify-full' ? text : null,
  )
  return {
    host: get('DBHOST') ?? '',
    port: read('DBPORT', 'a port', toPort) ?? 0,
    user: get('DBUSER') ?? '',
    password: get('DBPASS') ?? undefined,
    database: get('DBNAME') ?? '',
    schema,
    tls: tls ?? 'disable',
    ca: file('DBCAFILE'),
    connections: read('DBPOOL', 'a number of connections from 1 to 500', text => toCount(text, 500)) ?? 1,
  }
}

function readRedis({ read, file, get }: VariableReader): RedisOptions {
  const url = read('REDIS_URL', 'redis://, rediss:// or https:// with a host', toRedisUrl)
  return { url: url ?? '', token: get('REDIS_TOKEN') ?? undefined, ca: file('REDIS_CA_FILE') }
}

function readS3({ get, read, file, fault }: VariableReader): S3Options {
  const isSecure = read('MINIO_SECURE', 'true or false', toTruth) ?? false
  const endpoint = read('MINIO_ENDPOINT', 'host:port, or a URL', text => toEndpoint(text, isSecure))
  for (const name of ['MINIO_ACCESS_KEY', 'MINIO_SECRET_KEY'] as const)
    if (get(name) === null) fault(`${name}: it is needed for S3, and is not set`)
  const style = read('MINIO_ADDRESSING', 'auto, path or virtual', text =>
    text === 'auto' || text === 'path' || text === 'virtual' ? text : null,
  )
  const isAws = endpoint !== null && /(^|\.)amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname)
  return {
    endpoint: endpoint ?? '',
    accessKey: get('MINIO_ACCESS_KEY') ?? '',
    secretKey: get('MINIO_SECRET_KEY') ?? '',
    sessionToken: get('MINIO_SESSION_TOKEN') ?? undefined,
    bucket: get('MINIO_BUCKET') ?? '',
    region: get('MINIO_REGION') ?? 'us-east-1',
    isPathStyle: style === 'path' || (style !== 'virtual' && !isAws),
    ca: file('MINIO_CA_FILE'),
  }
}

function readBlobCache({ get, read }: VariableReader, dataDir: string): Backends['blobCache'] {
  const directory = get('BLOB_CACHE_DIR') ?? `${dataDir.replace(/\/$/, '')}/blob-cache`
  const limitBytes = read('BLOB_CACHE_SIZE', `${SIZE_WORDS}, or 0 for none`, text =>
    text === '0' ? 0 : parseSize(text),
  )
  return limitBytes === 0 ? null : { directory, limitBytes: limitBytes ?? 0 }
}

function toEndpoint(text: string, isSecure: boolean): string | null {
  const url = /^https?:\/\//.test(text) ? text : `${isSecure ? 'https' : 'http'}://${text}`
  if (!URL.canParse(url)) return null
  const { origin, pathname, username, search } = new URL(url)
  return pathname === '/' && username === '' && search === '' ? origin : null
}

function toRedisUrl(text: string): string | null {
  if (!URL.canParse(text)) return null
  const { protocol, hostname } = new URL(text)
  return ['redis:', 'rediss:', 'https:', 'http:'].includes(protocol) && hostname !== '' ? text : null
}

function toPort(text: string): number | null {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535 ? Number(text) : null
}

function toCount(text: string, most: number): number | null {
  return /^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= most ? Number(text) : null
}

/** As YAML 1.1 and most programs have it. */
export function toTruth(text: string): boolean | null {
  if (/^(true|yes|on|1)$/i.test(text)) return true
  return /^(false|no|off|0)$/i.test(text) ? false : null
}
