// What the operator set in the environment, checked whole: every fault is reported at once, none is guessed away.
// An empty variable is an unset one.

import { Problem } from '../../src/model/problem.ts'
import { parseSize, SIZE_WORDS } from '../../src/model/size.ts'
import type { LogLevel } from '../../src/ports/log.ts'
import type { Options } from '../../src/services.ts'
import { type Backends, readBackends, toTruth } from './environment-backends.ts'
import {
  type EnvironmentVariable,
  environmentVariables,
  idleVariables,
  type VariableName,
} from './environment-table.ts'

export interface Environment {
  readonly listen: ListenAddress
  readonly configPath: string
  /** True when nobody chose the path: then the file may be absent. */
  readonly isDefaultConfigPath: boolean
  readonly dataDir: string
  readonly logLevel: LogLevel
  /** Null = the runtime's own. */
  readonly httpServer: 'bun' | 'node' | null
  /** `host:port` of an origin (lower case) → the `address:port` to connect to instead. */
  readonly connectTo: ReadonlyMap<string, string>
  /** How long an origin may keep us waiting. */
  readonly originLimits: { readonly connectMs: number; readonly firstByteMs: number; readonly idleMs: number }
  readonly backends: Backends
  /** Where the other replicas reach this process; null = an address of this machine and any port. */
  readonly advertise: ListenAddress | null
  /** Processes that serve together. */
  readonly workers: number
  /** With `adminToken` null where none was set. */
  readonly options: Options
  /** To be logged once. */
  readonly warnings: readonly string[]
}

export interface ListenAddress {
  /** Null = every interface. */
  readonly host: string | null
  /** 0 = any free one. */
  readonly port: number
}

type Variables = Readonly<Record<string, string | undefined>>

const MEGABYTE = 1024 * 1024

/** `readFile` throws when the file cannot be read. Throws `settings-invalid` with every fault on a line of its own. */
export function readEnvironment(env: Variables, readFile: (path: string) => string): Environment {
  const faults: string[] = []
  const get = createGetter(env, readFile, faults)

  function read<T>(name: VariableName, expected: string, parse: (text: string) => T | null): T | null {
    const text = get(name)
    if (text === null) return null
    const value = parse(text)
    // Who writes a password into a URL shall not read it in a log.
    const got = text.includes('@') ? 'other text' : JSON.stringify(text)
    if (value === null) faults.push(`${name}: expected ${expected}, got ${got}`)
    return value
  }
  const whole = (name: VariableName) => read(name, 'a whole number ≥ 0', toWholeNumber)
  const number = (name: VariableName) => read(name, 'a number ≥ 0', toNumber)

  const seconds = (name: VariableName) =>
    Math.ceil((read(name, 'a number of seconds > 0, at most 86400', toSeconds) ?? 1) * 1000)

  function file(name: VariableName): string | undefined {
    const path = get(name)
    if (path === null) return undefined
    try {
      return readFile(path)
    } catch (error) {
      faults.push(`${name}: cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    }
  }

  const adminToken = get('ADMIN_TOKEN')
  if (adminToken !== null && !/^[\u0021-\u007e]+$/.test(adminToken)) {
    faults.push('ADMIN_TOKEN: expected printable characters without spaces')
  }
  const environment: Environment = {
    listen: read(
      'LISTEN_ADDR',
      '[host]:port, such as ":8000", "127.0.0.1:9000" or "[::1]:80"',
      toListenAddress,
    ) ?? {
      host: null,
      port: 0,
    },
    configPath: get('CONFIG_PATH') ?? '',
    isDefaultConfigPath: (env.CONFIG_PATH ?? '') === '',
    dataDir: get('DATA_DIR') ?? '',
    logLevel: read('LOG_LEVEL', 'debug, info, warn or error', toLogLevel) ?? 'info',
    httpServer: read('HTTP_SERVER', 'bun or node', text => (text === 'bun' || text === 'node' ? text : null)),
    connectTo:
      read(
        'ORIGIN_CONNECT_TO',
        'host:port=address:port with an IP address, separated by commas',
        toConnectTo,
      ) ?? new Map(),
    originLimits: {
      connectMs: seconds('ORIGIN_CONNECT_SECONDS'),
      firstByteMs: seconds('ORIGIN_FIRST_BYTE_SECONDS'),
      idleMs: seconds('ORIGIN_IDLE_SECONDS'),
    },
    backends: readBackends(env, { get, read, file, fault: text => faults.push(text) }, get('DATA_DIR') ?? ''),
    advertise: read('ADVERTISE_ADDR', 'host:port, such as "10.0.0.7:8001"', text => {
      const address = toListenAddress(text)
      return address?.host == null ? null : address
    }),
    workers:
      read('WORKERS', 'a number of processes from 1 to 64', text => {
        const count = toWholeNumber(text)
        return count !== null && count >= 1 && count <= 64 ? count : null
      }) ?? 1,
    options: {
      publicUrl: read(
        'PUBLIC_URL',
        'a URL that starts with http:// or https://, without "?" and "#"',
        toPublicUrl,
      ),
      adminToken,
      anonymousRead: read('ANONYMOUS_READ', 'true or false', toTruth) ?? true,
      missWaitMs: whole('MISS_WAIT_MS') ?? 0,
      hotCacheBytes: Math.floor((number('HOT_CACHE_MB') ?? 0) * MEGABYTE),
      cacheMaxBytes: read('CACHE_MAX_SIZE', SIZE_WORDS, parseSize),
      scrubBytesPerSecond: Math.floor((number('SCRUB_MBPS') ?? 0) * MEGABYTE),
      collectGraceSeconds: whole('COLLECT_GRACE_SECONDS') ?? 0,
      maintenanceMs: seconds('MAINTENANCE_SECONDS'),
    },
    warnings: idleVariables
      .filter(name => isSet(env[name]))
      .map(name => `${name} is set, and changes nothing: signing Terraform providers is not in this build`),
  }
  if (faults.length > 0) {
    throw new Problem('settings-invalid', `Cannot use the environment:\n${faults.join('\n')}`, { faults })
  }
  return environment
}

/** Reads a variable, or the file that `NAME_FILE` names, or its default. */
function createGetter(env: Variables, readFile: (path: string) => string, faults: string[]) {
  return (name: VariableName): string | null => {
    const variable: EnvironmentVariable | undefined = environmentVariables.find(each => each.name === name)
    const own = env[name]
    const file = variable?.isSecret === true ? env[`${name}_FILE`] : undefined
    if (isSet(file)) {
      if (isSet(own)) {
        faults.push(`${name}_FILE: ${name} is set too; unset one of the two`)
        return null
      }
      try {
        const text = readFile(file).trim()
        if (text === '') faults.push(`${name}_FILE: ${file} is empty`)
        return text
      } catch (error) {
        faults.push(
          `${name}_FILE: cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`,
        )
        return null
      }
    }
    const text = isSet(own) ? own : (variable?.default ?? '')
    return text === '' ? null : text
  }
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}

function toWholeNumber(text: string): number | null {
  return /^\d{1,15}$/.test(text) ? Number(text) : null
}

function toNumber(text: string): number | null {
  return /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : null
}

function toSeconds(text: string): number | null {
  const seconds = toNumber(text)
  return seconds !== null && seconds > 0 && seconds <= 86_400 ? seconds : null
}

function toLogLevel(text: string): LogLevel | null {
  const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
  return levels.find(level => level === text.toLowerCase()) ?? null
}

function toListenAddress(text: string): ListenAddress | null {
  if (text.startsWith(':')) {
    const port = toPort(text.slice(1))
    return port === null ? null : { host: null, port }
  }
  const match = /^(?:\[([0-9a-f:.%\w]+)\]|([A-Za-z0-9._-]+)):(\d+)$/i.exec(text)
  const port = toPort(match?.[3] ?? '')
  const host = match?.[1] ?? match?.[2]
  return host === undefined || port === null ? null : { host, port }
}

function toPort(text: string): number | null {
  const port = toWholeNumber(text)
  return port !== null && port <= 65_535 ? port : null
}

function toPublicUrl(text: string): string | null {
  if (!URL.canParse(text) || /[?#]/.test(text)) return null
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null
  if (url.username !== '' || url.password !== '') return null
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

function toConnectTo(text: string): Map<string, string> | null {
  const pinned = new Map<string, string>()
  for (const part of text.split(',').map(each => each.trim())) {
    if (part === '') continue
    const [from = '', to = '', ...rest] = part.split('=')
    const isAddress = /^(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\]):\d+$/i.test(to)
    if (toListenAddress(from)?.host == null || !isAddress || toListenAddress(to) === null || rest.length > 0)
      return null
    pinned.set(from.toLowerCase(), to)
  }
  return pinned
}
