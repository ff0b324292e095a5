// What the suites know of a running server, whatever started it.

import { setTimeout as sleep } from 'node:timers/promises'

export type RuntimeName = 'bun' | 'node' | 'deno' | 'workers'

export const ADMIN_TOKEN = 'test-admin-token'

export interface StartOptions {
  /** The configuration file. JSON is YAML. */
  readonly yaml: string
  readonly env?: Readonly<Record<string, string>>
  /** A group of its own, by which a firewall knows it; the user stays. */
  readonly gid?: number
  /** Used again and left behind when given; else a fresh one that `stop` removes. */
  readonly dataDir?: string
}

export interface AppServer {
  readonly runtime: RuntimeName
  readonly url: string
  readonly port: number
  readonly adminToken: string
  readonly dataDir: string
  readonly configPath: string
  /** Of the serving process; 0 where there is none of its own. */
  pid(): number
  /** Everything printed so far, by all its lives. */
  logs(): string
  /** Ends it in order and removes what it kept. */
  stop(): Promise<void>
  /** Ends it without a chance to do anything. `restart` brings it back with the same data. */
  kill9(): Promise<void>
  /** Ends it in order where it runs, and starts it again at the same port with the same data. */
  restart(env?: Readonly<Record<string, string>>): Promise<void>
}

/** Asks `/health` until it answers 200. */
export async function untilHealthy(url: string, isDead: () => boolean, logs: () => string): Promise<void> {
  for (const began = Date.now(); ; await sleep(20)) {
    if (isDead()) throw new Error(`The server ended before it was healthy:\n${logs().slice(-4000)}`)
    if (Date.now() - began > 20_000)
      throw new Error(`The server is not healthy after 20 s:\n${logs().slice(-4000)}`)
    const answer = await fetch(`${url}/health`).catch(() => null)
    await answer?.body?.cancel()
    if (answer?.status === 200) return
  }
}
