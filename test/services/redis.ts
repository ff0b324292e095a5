// A real Redis server for tests, on a free port of this machine, started by `scripts/services/redis.sh`.

import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from '../servers.ts'
import { hasTool } from '../tools.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/services/redis.sh', import.meta.url))
const run = promisify(execFile)

export const REDIS_NEEDS = 'needs Redis: apt-get install redis-server'

export interface RedisService {
  readonly port: number
  readonly url: string
  /** The variables that choose it. */
  environment(): Record<string, string>
  /** Ends it without a chance to do anything; what it held is gone. */
  kill9(): Promise<void>
  restart(): Promise<void>
  /** It takes connections and answers nothing, until `resume`. */
  stall(): void
  resume(): void
  /** Forgets everything. */
  flush(): Promise<void>
  stop(): Promise<void>
}

/** To be used as `describe.skipIf(!hasRedis())`. */
export function hasRedis(): boolean {
  return hasTool('redis-server')
}

export async function startRedis(): Promise<RedisService> {
  const directory = mkdtempSync(join(tmpdir(), 'artifactapi-redis-'))
  const port = await freePort()
  const start = () => run(SCRIPT, ['start', directory, String(port)])
  const signal = (name: NodeJS.Signals) =>
    process.kill(Number(readFileSync(join(directory, 'pid'), 'utf8')), name)
  await start()
  running.add(directory)
  const url = `redis://127.0.0.1:${port}`
  return {
    port,
    url,
    environment: () => ({ REDIS_URL: url }),
    async kill9() {
      signal('SIGKILL')
    },
    async restart() {
      await start()
    },
    stall: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    async flush() {
      await run('redis-cli', ['-p', String(port), 'flushall'])
    },
    async stop() {
      if (running.delete(directory)) await run(SCRIPT, ['stop', directory])
    },
  }
}

// The servers are nobody's children: a test run that is broken off would leave them behind.
const running = new Set<string>()
process.on('exit', () => {
  for (const directory of running) spawnSync(SCRIPT, ['stop', directory])
})
