// One repository: from its keys, each right by itself, to its settings. Here stand the rules between keys, and
// the two meanings of `immutable_patterns`.

import { type Fault, fault, type KeyPath, show, wrongValue } from './faults.ts'
import { compilePattern, type Pattern } from './patterns.ts'
import { Problem } from './problem.ts'
import type { Access, Caching, Kind, Quarantine, RepositorySettings } from './repository.ts'
import { toOrigin } from './settings-origin.ts'
import type { EntryOptions, Reading } from './settings-reading.ts'
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
