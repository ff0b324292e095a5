// One repository: from its keys, each right by itself, to its settings. Here stand the rules between keys, and
// the two meanings of `immutable_patterns`.

import { type Fault, fault, type KeyPath, show, wrongValue } from './faults.ts'
import type { Origin } from './origin.ts'
import { compilePattern, type Pattern } from './patterns.ts'
import { Problem } from './problem.ts'
import type { Access, Caching, Kind, Quarantine, RepositorySettings } from './repository.ts'
import { type Entry, LOCAL_KEYS, REMOTE_KEYS } from './settings-schema.ts'

/** The package types that are known; those not registered in this build load, and are not served. */
export const KNOWN_FORMATS: readonly string[] = [
  'generic',
  'docker',
  'helm',
  'pypi',
  'npm',
  'rpm',
  'alpine',
  'puppet',
  'terraform',
  'goproxy',
]

export interface EntryOptions {
  /** Names of the registered formats; without it no entry is warned about. */
  readonly formats?: readonly string[]
  /** Text of a file that the configuration names. Absent: this runtime has no files. Throws when there is none. */
  readonly readFile?: (path: string) => string
  /** False where connections cannot be shaped: `ca_file` and `proxy` are faults there. */
  readonly ownsConnections?: boolean
}

interface Reading {
  readonly name: string
  readonly path: KeyPath
  readonly entry: Entry
  readonly options: EntryOptions
  readonly faults: Fault[]
  readonly warnings: Fault[]
}

export function toRepositorySettings(
  name: string,
  path: KeyPath,
  entry: Entry,
  source: RepositorySettings['source'],
  meaning: 'older' | 'newer',
  options: EntryOptions,
): { repository: RepositorySettings; faults: Fault[]; warnings: Fault[] } {
  const reading: Reading = { name, path, entry, options, faults: [], warnings: [] }
  const kind = entry.type ?? 'remote'
  const format = toFormat(reading)
  refuseStrayKeys(reading, kind)
  const repository: RepositorySettings = {
    name,
    kind,
    format,
    description: entry.description ?? '',
    source,
    origin: kind === 'remote' ? toOrigin(reading) : null,
    members: kind === 'virtual' ? toMembers(reading) : [],
    access: toAccess(reading, format, meaning),
    caching: toCaching(reading),
    quarantine: kind === 'remote' ? toQuarantine(reading) : null,
    banTags: toBanTags(reading),
    redirects: entry.redirect ?? false,
    upload: { maxBytes: entry.max_upload ?? null, allowRedeploy: entry.allow_redeploy ?? false },
  }
  return { repository, faults: reading.faults, warnings: reading.warnings }
}

/**
 * The older meaning: `immutable_patterns` is the allow-list, and what is mutable is allowed beside it. The newer one,
 * with `patterns` or `blocklist` and for the API: `patterns` is the allow-list, and the other two only force a class.
 */
function toAccess(reading: Reading, format: string, meaning: 'older' | 'newer'): Access {
  const { entry } = reading
  const immutable = compileAll(reading, 'immutable_patterns')
  const mutable = compileAll(reading, 'mutable_patterns')
  const patterns = compileAll(reading, 'patterns')
  const blocklist = compileAll(reading, 'blocklist')
  if (meaning === 'newer' || entry.patterns !== undefined || entry.blocklist !== undefined) {
    return {
      blocklist,
      allow: patterns.length === 0 ? null : patterns,
      allowsMutable: false,
      mutable,
      immutable,
    }
  }
  return {
    blocklist: [],
    allow: entry.immutable_patterns === undefined ? null : immutable,
    // A docker allow-list names images, tags included.
    allowsMutable: format !== 'docker',
    mutable,
    // An allow-list says nothing about classes: `.*/repodata/.*` must not freeze an index.
    immutable: [],
  }
}

function compileAll(
  reading: Reading,
  key: 'immutable_patterns' | 'mutable_patterns' | 'patterns' | 'blocklist',
): Pattern[] {
  const compiled: Pattern[] = []
  reading.entry[key]?.forEach((source, index) => {
    const path = [...reading.path, key, index]
    if (compiled.some(pattern => pattern.source === source)) return
    if (/^(\^|\\A)\//.test(source)) {
      reading.warnings.push(fault(path, `'${source}' matches nothing: paths have no leading slash`))
    }
    try {
      compiled.push(compilePattern(source))
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      reading.faults.push(fault(path, error.message))
    }
  })
  return compiled
}

function toFormat({ name, path, entry, options, faults, warnings }: Reading): string {
  const format = entry.package ?? entry.package_type ?? 'generic'
  const key = entry.package === undefined ? 'package_type' : 'package'
  if (
    entry.package !== undefined &&
    entry.package_type !== undefined &&
    entry.package !== entry.package_type
  ) {
    faults.push(fault([...path, 'package_type'], `package says "${entry.package}"; leave one of the two out`))
  }
  const known = [...new Set([...(options.formats ?? []), ...KNOWN_FORMATS])]
  if (!known.includes(format)) {
    faults.push(wrongValue([...path, key], `one of ${known.join(', ')}`, show(format, false)))
  } else if (options.formats !== undefined && !options.formats.includes(format)) {
    warnings.push(
      fault(
        [...path, key],
        `${format} is not in this build: "${name}" is listed, and its requests are refused`,
      ),
    )
  }
  return format
}

function refuseStrayKeys({ path, entry, faults, warnings }: Reading, kind: Kind): void {
  if (kind !== 'remote' && entry.base_url !== undefined) {
    faults.push(
      fault(
        [...path, 'base_url'],
        `a ${kind} repository has no origin; leave base_url out, or say type: remote`,
      ),
    )
  }
  if (kind !== 'virtual' && entry.members !== undefined) {
    faults.push(fault([...path, 'members'], `a ${kind} repository has no members; say type: virtual`))
  }
  const idle = [...(kind === 'remote' ? [] : REMOTE_KEYS), ...(kind === 'local' ? [] : LOCAL_KEYS)]
  for (const key of idle) {
    if (entry[key] === undefined || entry[key] === false) continue
    warnings.push(fault([...path, key], `it has no effect on a ${kind} repository`))
  }
}

function toOrigin(reading: Reading): Origin | null {
  const { name, path, entry, faults } = reading
  if (entry.base_url === undefined) {
    faults.push(
      fault(
        path,
        'a remote repository needs base_url, such as "https://github.com"; one for uploads needs type: local',
      ),
    )
    return null
  }
  const url = parseUrl(entry.base_url)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    // A base URL may hold a password: it is shown only where it cannot.
    const shown = entry.base_url.includes('@') ? 'other text' : show(entry.base_url, false)
    faults.push(wrongValue([...path, 'base_url'], 'a URL that starts with https:// or http://', shown))
    return null
  }
  if (/[?#]/.test(entry.base_url)) {
    faults.push(fault([...path, 'base_url'], 'a base URL has neither "?" nor "#"'))
  }
  const username = entry.username ?? decode(url.username)
  const password = entry.password ?? toPassword(reading) ?? decode(url.password)
  const ca = toAuthority(reading)
  const proxy = toProxy(reading)
  return {
    repository: name,
    baseUrl: `${url.origin}${url.pathname}`.replace(/\/+$/, ''),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    headers: toHeaders(reading),
    allowedHosts: entry.allowed_hosts ?? 'any',
    ...(ca === undefined ? {} : { ca }),
    ...(proxy === undefined ? {} : { proxy }),
  }
}

function toPassword(reading: Reading): string | undefined {
  const { path, entry, faults } = reading
  if (entry.password_file === undefined) return undefined
  if (entry.password !== undefined) {
    faults.push(fault([...path, 'password_file'], 'password is there too; leave one of the two out'))
  }
  return readNamedFile(reading, 'password_file', entry.password_file)?.trim()
}

function toAuthority(reading: Reading): string | undefined {
  const { path, entry, options, faults } = reading
  if (entry.ca_file === undefined) return undefined
  if (options.ownsConnections === false) {
    faults.push(fault([...path, 'ca_file'], 'this runtime cannot choose whom it trusts; leave ca_file out'))
    return undefined
  }
  const ca = readNamedFile(reading, 'ca_file', entry.ca_file)
  if (ca !== undefined && !ca.includes('-----BEGIN CERTIFICATE-----')) {
    faults.push(fault([...path, 'ca_file'], `${entry.ca_file} holds no PEM certificate`))
  }
  return ca
}

function readNamedFile(reading: Reading, key: 'ca_file' | 'password_file', file: string): string | undefined {
  try {
    if (reading.options.readFile === undefined) throw new Error('this runtime has no files')
    return reading.options.readFile(file)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    reading.faults.push(fault([...reading.path, key], `cannot read ${file}: ${reason}`))
    return undefined
  }
}

function toProxy({ path, entry, options, faults }: Reading): string | undefined {
  if (entry.proxy === undefined) return undefined
  if (options.ownsConnections === false) {
    faults.push(fault([...path, 'proxy'], 'this runtime cannot go through a proxy; leave proxy out'))
  } else if (parseUrl(entry.proxy)?.protocol !== 'http:') {
    faults.push(wrongValue([...path, 'proxy'], 'the URL of a proxy that starts with http://', 'other text'))
  }
  return entry.proxy
}

/** What the exchange itself sets. */
const OWN_HEADERS: readonly string[] = [
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'range',
  'te',
  'upgrade',
]

function toHeaders({ path, entry, faults }: Reading): Readonly<Record<string, string>> {
  for (const name of Object.keys(entry.headers ?? {})) {
    if (!OWN_HEADERS.includes(name.toLowerCase())) continue
    faults.push({
      ...fault([...path, 'headers', name], 'this header is set by each request itself'),
      isAboutKey: true,
    })
  }
  return entry.headers ?? {}
}

function toMembers({ path, entry, faults }: Reading): readonly string[] {
  const members = entry.members ?? []
  if (members.length === 0)
    faults.push(fault(path, 'a virtual repository needs members, a list of repository names'))
  members.forEach((member, index) => {
    if (members.indexOf(member) < index)
      faults.push(fault([...path, 'members', index], `"${member}" is listed twice`))
  })
  return members
}

function toCaching(reading: Reading): Caching {
  const { entry } = reading
  return {
    immutableTtlSeconds: toTtl(reading, 'immutable_ttl') ?? 0,
    mutableTtlSeconds: toTtl(reading, 'mutable_ttl') ?? 3600,
    negativeTtlSeconds: entry.negative_ttl ?? null,
    checkMutableUpdates: entry.check_mutable_updates ?? false,
    staleOn: entry.stale_on ?? [],
    maxBytes: entry.max_size ?? null,
  }
}

function toTtl({ path, entry, faults }: Reading, key: 'immutable_ttl' | 'mutable_ttl'): number | undefined {
  const nested = entry.cache?.[key]
  const flat = entry[key]
  if (nested !== undefined && flat !== undefined && nested !== flat) {
    faults.push(fault([...path, key], `cache.${key} says ${nested}; leave one of the two out`))
  }
  return nested ?? flat
}

function toQuarantine({ path, entry, faults, warnings }: Reading): Quarantine | null {
  if (entry.quarantine_new !== true) {
    if ((entry.quarantine_days ?? 0) > 0 && entry.quarantine_new === undefined) {
      warnings.push(fault([...path, 'quarantine_days'], 'it has no effect without quarantine_new: true'))
    }
    return null
  }
  if (entry.quarantine_days === undefined) {
    faults.push(fault([...path, 'quarantine_new'], 'it needs quarantine_days, a number of days'))
  }
  return { days: entry.quarantine_days ?? 0, status: entry.quarantine_status ?? null }
}

function toBanTags({ path, entry, warnings }: Reading): readonly string[] {
  if (entry.ban_tags_enabled === true) return entry.ban_tags ?? []
  if (entry.ban_tags_enabled === undefined && (entry.ban_tags?.length ?? 0) > 0) {
    warnings.push(fault([...path, 'ban_tags'], 'it has no effect without ban_tags_enabled: true'))
  }
  return []
}

function parseUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null
}

function decode(part: string): string | undefined {
  if (part === '') return undefined
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
