// Every environment variable that is read: `--help`, the README's table and the reading itself come from this list.

export interface EnvironmentVariable {
  readonly name: string
  /** Empty = none. */
  readonly default: string
  readonly meaning: string
  /** Secrets can also be given as the path of a file, in `NAME_FILE`. */
  readonly isSecret?: boolean
  /** The back end that it selects when it is set. */
  readonly selects?: 'Postgres' | 'S3' | 'Redis'
}

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
  {
    name: 'ADVERTISE_ADDR',
    default: '',
    meaning:
      'where the other replicas reach this one, as host:port; it listens at that port for them. Unset: an address of this machine and a free port',
  },
  { name: 'WORKERS', default: '1', meaning: 'processes that serve together, on Bun and Node' },
  { name: 'DBHOST', default: 'localhost', meaning: 'Postgres: host', selects: 'Postgres' },
  { name: 'DBPORT', default: '5432', meaning: 'Postgres: port', selects: 'Postgres' },
  { name: 'DBUSER', default: 'artifacts', meaning: 'Postgres: user', selects: 'Postgres' },
  { name: 'DBPASS', default: '', meaning: 'Postgres: password', isSecret: true, selects: 'Postgres' },
  { name: 'DBNAME', default: 'artifacts', meaning: 'Postgres: database', selects: 'Postgres' },
  {
    name: 'DBSCHEMA',
    default: 'artifactapi',
    meaning: 'Postgres: schema of our own; made when it is absent',
    selects: 'Postgres',
  },
  {
    name: 'DBSSLMODE',
    default: 'disable',
    meaning: 'Postgres: disable, require (any certificate) or verify-full',
    selects: 'Postgres',
  },
  {
    name: 'DBCAFILE',
    default: '',
    meaning: 'Postgres: file with the authority of its certificate',
    selects: 'Postgres',
  },
  { name: 'DBPOOL', default: '10', meaning: 'Postgres: connections of each process', selects: 'Postgres' },
  {
    name: 'REDIS_URL',
    default: '',
    meaning: 'Redis: redis://, rediss://, or https:// for Upstash',
    isSecret: true,
    selects: 'Redis',
  },
  {
    name: 'REDIS_TOKEN',
    default: '',
    meaning: 'Redis: token of an https:// URL',
    isSecret: true,
    selects: 'Redis',
  },
  {
    name: 'REDIS_CA_FILE',
    default: '',
    meaning: 'Redis: file with the authority of its certificate',
    selects: 'Redis',
  },
  { name: 'MINIO_ENDPOINT', default: 'localhost:9000', meaning: 'S3: host:port, or a URL', selects: 'S3' },
  { name: 'MINIO_ACCESS_KEY', default: '', meaning: 'S3: access key', isSecret: true, selects: 'S3' },
  { name: 'MINIO_SECRET_KEY', default: '', meaning: 'S3: secret key', isSecret: true, selects: 'S3' },
  {
    name: 'MINIO_SESSION_TOKEN',
    default: '',
    meaning: 'S3: session token of temporary keys',
    isSecret: true,
    selects: 'S3',
  },
  {
    name: 'MINIO_BUCKET',
    default: 'artifacts',
    meaning: 'S3: bucket; made when it is absent',
    selects: 'S3',
  },
  { name: 'MINIO_SECURE', default: 'false', meaning: 'S3: use HTTPS', selects: 'S3' },
  { name: 'MINIO_REGION', default: 'us-east-1', meaning: 'S3: region', selects: 'S3' },
  {
    name: 'MINIO_ADDRESSING',
    default: 'auto',
    meaning: 'S3: path, virtual (bucket in the host name), or auto: virtual on AWS, else path',
    selects: 'S3',
  },
  {
    name: 'MINIO_CA_FILE',
    default: '',
    meaning: 'S3: file with the authority of its certificate',
    selects: 'S3',
  },
  {
    name: 'BLOB_CACHE_DIR',
    default: '',
    meaning: 'S3: the local disk in front of it; unset: blob-cache in DATA_DIR',
  },
  { name: 'BLOB_CACHE_SIZE', default: '10GB', meaning: 'S3: how much of that disk; 0: none' },
] as const satisfies readonly EnvironmentVariable[]

export type VariableName = (typeof environmentVariables)[number]['name']

/** Variables of earlier implementations whose feature is not in this build: they change nothing, and that is said. */
export const idleVariables: readonly string[] = [
  'TF_SIGNING_KEY_PATH',
  'TF_SIGNING_KEY_PASSPHRASE',
  'TF_SIGNING_KEY_PASSPHRASE_FILE',
  'TF_PROVIDER_PROTOCOLS',
]
