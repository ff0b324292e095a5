// A real Postgres server for tests, on a free port of this machine, started by `scripts/services/postgres.sh`.

import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { connectPostgres } from '../../runtimes/shared/postgres-connection.ts'
import { createPostgresBroadcast } from '../../src/drivers/postgres-broadcast.ts'
import type { ConnectPostgres, PostgresOptions } from '../../src/drivers/postgres-connection.ts'
import { createPostgresDatabase } from '../../src/drivers/postgres-database.ts'
import { createPostgresPool, type PostgresPool } from '../../src/drivers/postgres-pool.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import type { Broadcast } from '../../src/ports/broadcast.ts'
import type { Database } from '../../src/ports/database.ts'
import { listLog } from '../list-log.ts'
import { freePort } from '../servers.ts'
import { hasCondition } from '../tools.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/services/postgres.sh', import.meta.url))
const run = promisify(execFile)

export const POSTGRES_NEEDS = 'needs PostgreSQL: apt-get install postgresql'

export interface PostgresService {
  readonly port: number
  /** Where its Unix socket is. */
  readonly directory: string
  /** With a schema of its own each time, unless one is named. */
  options(more?: Partial<PostgresOptions>): PostgresOptions
  /** The variables that choose it. */
  environment(more?: Readonly<Record<string, string>>): Record<string, string>
  /** Stops it at once, as if its process were killed. What was committed stays. */
  crash(): Promise<void>
  restart(): Promise<void>
  /** None of its processes runs any more, until the returned function is called. */
  freeze(): Promise<() => void>
  /** Runs statements as the administrator; rows by line, columns with `|` between. */
  psql(sql: string, database?: string): Promise<string>
  stop(): Promise<void>
}

/** To be used as `describe.skipIf(!hasPostgres())`. */
export function hasPostgres(): boolean {
  const { status } = spawnSync(
    'sh',
    ['-c', 'ls "$PG_BIN/postgres" /usr/lib/postgresql/*/bin/postgres | grep -q .'],
    {
      stdio: 'ignore',
    },
  )
  return hasCondition('PostgreSQL (apt-get install postgresql)', status === 0)
}

/** `settings`: lines for postgresql.conf. */
export async function startPostgres(settings: readonly string[] = []): Promise<PostgresService> {
  // Not below a TMPDIR that the user `postgres` cannot reach.
  const directory = mkdtempSync('/tmp/artifactapi-postgres-')
  const port = await freePort()
  const env = { ...process.env, POSTGRES_SETTINGS: settings.join('\n') }
  running.add(directory)
  await run(SCRIPT, ['start', directory, String(port)], { env }).catch(async error => {
    await run(SCRIPT, ['stop', directory])
    throw error
  })
  let schemas = 0
  return {
    port,
    directory,
    options: more => ({
      host: '127.0.0.1',
      port,
      user: 'postgres',
      database: 'postgres',
      schema: `schema_${++schemas}`,
      tls: 'disable',
      connections: 5,
      ...more,
    }),
    environment: more => ({
      DBHOST: '127.0.0.1',
      DBPORT: String(port),
      DBUSER: 'postgres',
      DBNAME: 'postgres',
      ...more,
    }),
    async crash() {
      await run(SCRIPT, ['crash', directory])
    },
    async restart() {
      await run(SCRIPT, ['restart', directory])
    },
    async freeze() {
      const [server = 0] = pidsIn(join(directory, 'data/postmaster.pid'))
      const frozen = new Set<number>()
      // It first, so that it starts no other; one that it was just starting is found at the next look.
      for (let isQuiet = false; !isQuiet; await sleep(10)) {
        const pids = [server, ...pidsIn(`/proc/${server}/task/${server}/children`)]
        isQuiet = pids.every(pid => frozen.has(pid) && stateOf(pid) !== 'R' && stateOf(pid) !== 'S')
        for (const pid of pids) if (!frozen.has(pid) && process.kill(pid, 'SIGSTOP')) frozen.add(pid)
      }
      return () => {
        for (const pid of frozen) process.kill(pid, 'SIGCONT')
      }
    },
    async psql(sql, database = 'postgres') {
      const args = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-XAtq', '-v', 'ON_ERROR_STOP=1']
      return (await run('psql', [...args, '-d', database, '-c', sql])).stdout.trim()
    },
    async stop() {
      if (!running.delete(directory)) return
      await run(SCRIPT, ['stop', directory])
    },
  }
}

/** What one process has of it. */
export interface OpenedPostgres {
  readonly pool: PostgresPool
  readonly database: Database
  readonly broadcast: Broadcast
  /** What it logged. */
  readonly logged: string[]
  close(): Promise<void>
}

export function openPostgres(
  options: PostgresOptions,
  more: { readonly patienceMs?: number; readonly connect?: ConnectPostgres } = {},
): OpenedPostgres {
  const clock = createSystemClock()
  const logged: string[] = []
  const log = listLog(logged)
  const { patienceMs, connect = connectPostgres } = more
  const pool = createPostgresPool({ options, connect, clock, log, patienceMs })
  const broadcast = createPostgresBroadcast({ pool, connect: connectPostgres, clock, log })
  return {
    pool,
    database: createPostgresDatabase(pool, clock),
    broadcast,
    logged,
    async close() {
      await broadcast.close()
      await pool.close()
    },
  }
}

/** As in `ps`: running, sleeping, stopped … */
function stateOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0] ?? ''
}

function pidsIn(file: string): number[] {
  const [line = ''] = readFileSync(file, 'utf8').split('\n')
  return line.split(' ').filter(Boolean).map(Number)
}

// A test run that is broken off leaves no server behind.
const running = new Set<string>()
process.on('exit', () => {
  for (const directory of running) execFileSync(SCRIPT, ['stop', directory], { stdio: 'ignore' })
})
