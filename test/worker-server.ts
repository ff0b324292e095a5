// The Worker as a server of the suite: its bundle in workerd, started by the project's own development server.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ADMIN_TOKEN, type AppServer, type StartOptions, untilHealthy } from './app-server.ts'

interface Workerd {
  readonly url: string
  stop(): Promise<void>
}

type StartWorkerd = (options: {
  yaml: string
  env: Readonly<Record<string, string>>
  port: number
  dataDir: string
}) => Promise<Workerd>

export async function startWorker(options: StartOptions): Promise<AppServer> {
  // By a variable, so that the types of the Worker stay out of the types of the tests.
  const module = '../runtimes/workers/dev.ts'
  const { startWorkerd } = (await import(module)) as { startWorkerd: StartWorkerd }
  const home = await mkdtemp(join(tmpdir(), 'artifactapi-workers-'))
  const dataDir = options.dataDir ?? join(home, 'data')
  let env = { ADMIN_TOKEN, LOG_LEVEL: 'error', ...options.env }
  let port = 0
  let worker = await launch()
  const { url } = worker
  port = Number(new URL(url).port)

  async function launch(): Promise<Workerd> {
    const started = await startWorkerd({ yaml: options.yaml, env, port, dataDir })
    await untilHealthy(
      started.url,
      () => false,
      () => '',
    )
    return started
  }

  return {
    runtime: 'workers',
    url,
    port,
    adminToken: ADMIN_TOKEN,
    dataDir,
    configPath: '',
    pid: () => 0,
    logs: () => '',
    async stop() {
      await worker.stop()
      await rm(home, { recursive: true, force: true })
    },
    kill9: () => Promise.reject(new Error('A Worker has no process of its own to kill')),
    async restart(more = {}) {
      await worker.stop()
      env = { ...env, ...more }
      worker = await launch()
    },
  }
}
