// The application of a server with all it stands on, opened from the environment and closed in order.

import { type App, createApp, formatNames, keepSecret } from '../../src/app.ts'
import { createJsonLog } from '../../src/drivers/json-log.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import type { Delivery } from '../../src/ports/delivery.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Transport } from '../../src/ports/transport.ts'
import type { Services } from '../../src/services.ts'
import { type AdminToken, makeToken } from './admin-token.ts'
import type { Environment } from './environment.ts'
import { openSettingsFile, type SettingsFile } from './settings-file.ts'
import { writeText } from './standard-output.ts'
import { servicesFromEnvironment } from './start.ts'
import { version } from './version.ts'
import { currentPlace, type WorkerPlace } from './worker-place.ts'

export interface OpenOptions {
  readonly runtime: 'bun' | 'node' | 'deno'
  readonly environment: Environment
  readonly transport: Transport
  readonly delivery: Delivery
  readonly log: Log
  /** Null: the one that the database keeps for all replicas, or, where it is not shared, writing and managing are refused. */
  readonly adminToken: string | null
  /** Where the other processes of the same stores reach this one; null = nobody does. */
  readonly peerAddress?: string | null
  /** Null for a process that serves alone. */
  readonly place?: WorkerPlace | null
}

export interface OpenApp {
  readonly app: App
  readonly services: Services
  readonly settings: SettingsFile
  /** The token that the database keeps, where it is in use. */
  readonly admin: AdminToken | null
  /** When nothing uses it any more. */
  close(): Promise<void>
}

export function openLog(environment: Environment): Log {
  const log = createJsonLog({
    write: currentPlace() === null ? text => writeText(1, text) : writeLines,
    level: environment.logLevel,
    clock: createSystemClock(),
  })
  for (const warning of environment.warnings) log.warn(warning)
  return log
}

/** `environment.dataDir` must exist. Throws a Problem when the configuration does not validate. */
export async function openApp(options: OpenOptions): Promise<OpenApp> {
  const { environment, transport, log } = options
  const settings = await openSettingsFile({
    path: environment.configPath,
    mayBeAbsent: environment.isDefaultConfigPath,
    formats: formatNames,
    log,
  })
  const opened = await servicesFromEnvironment(environment, {
    ...options,
    settings,
    version,
    clock: createSystemClock(),
  })
  const admin =
    options.adminToken === null && environment.backends.postgres !== null
      ? await keepSharedToken(opened)
      : null
  const adminToken = options.adminToken ?? admin?.token ?? null
  const services = { ...opened, options: { ...opened.options, adminToken } }
  return {
    app: createApp(services),
    services,
    settings,
    admin,
    async close() {
      settings.close()
      await opened.close()
      await transport.close()
    },
  }
}

async function keepSharedToken(services: Services): Promise<AdminToken> {
  const made = makeToken()
  const token = await keepSecret(services, 'admin-token', () => made)
  return { token, isNew: token === made, path: 'the database' }
}

/** What a pipe takes at once, so that the lines of several processes do not run into each other. */
const ATOMIC_BYTES = 4096

/** Line by line as far as need be: all workers write to the same place. */
function writeLines(text: string): void {
  for (let at = 0; at < text.length; ) {
    const end = text.lastIndexOf('\n', at + ATOMIC_BYTES / 2)
    const next =
      text.length - at <= ATOMIC_BYTES / 2
        ? text.length
        : end < at
          ? text.indexOf('\n', at) + 1 || text.length
          : end + 1
    writeText(1, text.slice(at, next))
    at = next
  }
}
