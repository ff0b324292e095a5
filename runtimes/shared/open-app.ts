// The application of a server with all it stands on, opened from the environment and closed in order.

import { type App, createApp, formatNames } from '../../src/app.ts'
import { createJsonLog } from '../../src/drivers/json-log.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import type { Delivery } from '../../src/ports/delivery.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Transport } from '../../src/ports/transport.ts'
import type { Services } from '../../src/services.ts'
import type { Environment } from './environment.ts'
import { openSettingsFile, type SettingsFile } from './settings-file.ts'
import { writeText } from './standard-output.ts'
import { servicesFromEnvironment } from './start.ts'
import { version } from './version.ts'

export interface OpenOptions {
  readonly runtime: 'bun' | 'node' | 'deno'
  readonly environment: Environment
  readonly transport: Transport
  readonly delivery: Delivery
  readonly log: Log
  /** Null = writing and managing are refused. */
  readonly adminToken: string | null
}

export interface OpenApp {
  readonly app: App
  readonly services: Services
  readonly settings: SettingsFile
  /** When nothing uses it any more. */
  close(): Promise<void>
}

export function openLog(environment: Environment): Log {
  const log = createJsonLog({
    write: text => writeText(1, text),
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
  const services = servicesFromEnvironment(environment, {
    ...options,
    settings,
    version,
    clock: createSystemClock(),
  })
  return {
    app: createApp(services),
    services,
    settings,
    async close() {
      settings.close()
      await services.close()
      await transport.close()
    },
  }
}
