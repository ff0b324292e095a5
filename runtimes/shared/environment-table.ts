// Every environment variable that is read: `--help`, the README's table and the reading itself come from this list.

export interface EnvironmentVariable {
  readonly name: string
  /** Empty = none. */
  readonly default: string
  readonly meaning: string
  /** Secrets can also be given as the path of a file, in `NAME_FILE`. */
  readonly isSecret?: boolean
  /** The back end it selects, which this build does not contain. */
  readonly selects?: 'Postgres' | 'S3' | 'Redis'
}

const postgres = { selects: 'Postgres' } as const
const s3 = { selects: 'S3' } as const

export const environmentVariables = [
  { name: 'LISTEN_ADDR', default: ':8000', meaning: 'where to listen, as [host]:port' },
  {
    name: 'CONFIG_PATH',
    default: './remotes.yaml',
    meaning: 'the repositories; absent at the default path: a starter set',
  },
  { name: 'DATA_DIR', default: './data', meaning: 'where blobs and the catalog are kept' },
  {
    name: 'PUBLIC_URL',
    default: '',
    meaning: 'the URL clients use, for links in answers; unset: as each request says',
  },
  {
    name: 'ADMIN_TOKEN',
    default: '',
    meaning: 'needed for writing and managing; unset: generated at the first start',
    isSecret: true,
  },
  { name: 'ANONYMOUS_READ', default: 'true', meaning: 'false: reading needs the token too' },
  { name: 'LOG_LEVEL', default: 'info', meaning: 'debug, info, warn or error' },
  {
    name: 'MISS_WAIT_MS',
    default: '250',
    meaning: 'how long a short miss may wait to be answered with its length',
  },
  { name: 'HOT_CACHE_MB', default: '64', meaning: 'memory for small files that are asked for often' },
  {
    name: 'CACHE_MAX_SIZE',
    default: '',
    meaning: 'bytes of remote objects kept, such as 200GB; unset: no limit',
  },
  { name: 'SCRUB_MBPS', default: '4', meaning: 'MB a second read back to find damaged blobs; 0: never' },
  { name: 'COLLECT_GRACE_SECONDS', default: '300', meaning: 'how long a blob that nothing refers to stays' },
  {
    name: 'MAINTENANCE_SECONDS',
    default: '60',
    meaning: 'how often size limits are kept and unreferenced blobs collected, and when reading back begins',
  },
  { name: 'ORIGIN_CONNECT_SECONDS', default: '10', meaning: 'how long connecting to an origin may take' },
  {
    name: 'ORIGIN_FIRST_BYTE_SECONDS',
    default: '30',
    meaning: 'how long an origin may take to begin its answer',
  },
  { name: 'ORIGIN_IDLE_SECONDS', default: '60', meaning: 'how long an origin may pause within an answer' },
  { name: 'HTTP_SERVER', default: '', meaning: "bun or node; unset: the runtime's own" },
  {
    name: 'ORIGIN_CONNECT_TO',
    default: '',
    meaning: 'host:port=address:port, …: connect to that address for this origin, for mirrors and tests',
  },
  { name: 'DBHOST', default: '', meaning: 'Postgres: host', ...postgres },
  { name: 'DBPORT', default: '', meaning: 'Postgres: port', ...postgres },
  { name: 'DBUSER', default: '', meaning: 'Postgres: user', ...postgres },
  { name: 'DBPASS', default: '', meaning: 'Postgres: password', isSecret: true, ...postgres },
  { name: 'DBNAME', default: '', meaning: 'Postgres: database', ...postgres },
  { name: 'DBSCHEMA', default: '', meaning: 'Postgres: schema', ...postgres },
  { name: 'REDIS_URL', default: '', meaning: 'Redis: URL', isSecret: true, selects: 'Redis' },
  { name: 'MINIO_ENDPOINT', default: '', meaning: 'S3: endpoint', ...s3 },
  { name: 'MINIO_ACCESS_KEY', default: '', meaning: 'S3: access key', isSecret: true, ...s3 },
  { name: 'MINIO_SECRET_KEY', default: '', meaning: 'S3: secret key', isSecret: true, ...s3 },
  { name: 'MINIO_BUCKET', default: '', meaning: 'S3: bucket', ...s3 },
  { name: 'MINIO_SECURE', default: '', meaning: 'S3: use HTTPS', ...s3 },
  { name: 'MINIO_REGION', default: '', meaning: 'S3: region', ...s3 },
] as const satisfies readonly EnvironmentVariable[]

export type VariableName = (typeof environmentVariables)[number]['name']

/** Variables of earlier implementations whose feature is not in this build: they change nothing, and that is said. */
export const idleVariables: readonly string[] = [
  'TF_SIGNING_KEY_PATH',
  'TF_SIGNING_KEY_PASSPHRASE',
  'TF_SIGNING_KEY_PASSPHRASE_FILE',
  'TF_PROVIDER_PROTOCOLS',
]
