// The configuration as people write it, checked whole and turned into settings with every default filled in.
// Every fault is reported, each with its key; nothing half right is ever used.

import {
  type Fault,
  fault,
  faultsOf,
  isMap,
  type KeyPath,
  printFault,
  show,
  unknownKey,
  wrongValue,
} from './faults.ts'
import { Problem } from './problem.ts'
import type { RepositorySettings, Settings } from './repository.ts'
import { type EntryOptions, toRepositorySettings } from './settings-entry.ts'
import { CACHE_KEYS, ENTRY_KEYS, type Entry, entrySchema, SECRET_KEYS } from './settings-schema.ts'

export interface SettingsOptions extends EntryOptions {
  /** Who owns the entries. */
  readonly source: 'file' | 'starter'
  /** Where a key stands, for warnings: `remotes.yaml:12:5`. */
  readonly place?: (path: KeyPath, isAboutKey: boolean) => string
}

export type SettingsResult =
  | { readonly settings: Settings; readonly faults: readonly [] }
  | { readonly settings: null; readonly faults: readonly Fault[] }

const RESERVED_NAMES: readonly string[] = ['v1', 'v2', 'token', 'artifacts', 'remote', 'virtual']

/** Reads `{ remotes, virtuals? }`. */
export function toSettings(value: unknown, options: SettingsOptions): SettingsResult {
  const faults: Fault[] = []
  const warnings: Fault[] = []
  const repositories = new Map<string, RepositorySettings>()
  const paths = new Map<string, KeyPath>()
  if (value !== null && value !== undefined && !isMap(value)) {
    return { settings: null, faults: [wrongValue([], 'a map with the key "remotes"', show(value, false))] }
  }
  for (const [section, entries] of Object.entries(value ?? {})) {
    if (section !== 'remotes' && section !== 'virtuals') {
      faults.push(unknownKey([section], ['remotes', 'virtuals']))
      continue
    }
    if (entries === null) continue
    if (!isMap(entries)) {
      faults.push(wrongValue([section], 'a map of repositories', show(entries, false)))
      continue
    }
    for (const [name, entry] of Object.entries(entries)) {
      const path = [section, name]
      if (repositories.has(name)) {
        faults.push({
          ...fault(path, 'the name is taken by an entry of the other section'),
          isAboutKey: true,
        })
        continue
      }
      const isVirtual = section === 'virtuals'
      const found = readEntry(path, withoutNulls(entry), isVirtual, options.source, 'older', options)
      faults.push(...found.faults)
      warnings.push(...found.warnings)
      if (found.repository === null) continue
      repositories.set(name, found.repository)
      paths.set(name, path)
    }
  }
  // A member that is itself at fault would only be reported twice.
  if (faults.length === 0) {
    for (const [name, repository] of repositories) {
      faults.push(...memberFaults(paths.get(name) ?? [], repository, repositories))
    }
  }
  if (faults.length > 0) return { settings: null, faults }
  const texts = warnings.map(warning => {
    const place = options.place?.(warning.path, warning.isAboutKey)
    return place === undefined ? printFault(warning) : `${place}: ${printFault(warning)}`
  })
  return { settings: { repositories, warnings: texts }, faults: [] }
}

export interface RepositoryOptions extends EntryOptions {
  /** What a virtual repository's members are looked up in; without it they are taken on trust. */
  readonly existing?: ReadonlyMap<string, RepositorySettings>
}

/** Reads an entry made through the API. Throws `settings-invalid` with every fault. */
export function toRepository(
  name: string,
  value: unknown,
  options: RepositoryOptions = {},
): RepositorySettings {
  const { faults, repository } = checkRepository(name, value, options)
  if (repository !== null && faults.length === 0) return repository
  const lines = faults.map(printFault)
  throw new Problem('settings-invalid', `Cannot use repository "${name}": ${lines.join('; ')}`, {
    faults: lines,
  })
}

/** The same as values, for who answers with a list of faults. */
export function checkRepository(
  name: string,
  value: unknown,
  options: RepositoryOptions = {},
): { readonly repository: RepositorySettings | null; readonly faults: readonly Fault[] } {
  // Management tools send every key they know; what is empty was not set.
  const entry = isMap(value)
    ? Object.fromEntries(
        Object.entries(value).filter(
          ([key, each]) => each !== null && each !== '' && !(key === 'name' && each === name),
        ),
      )
    : value
  const isVirtual = isMap(entry) && entry.type === 'virtual'
  const found = readEntry([name], entry, isVirtual, 'api', 'newer', options)
  if (found.repository === null || options.existing === undefined) return found
  return { ...found, faults: [...found.faults, ...memberFaults([name], found.repository, options.existing)] }
}

function readEntry(
  path: KeyPath,
  value: unknown,
  isVirtual: boolean,
  source: RepositorySettings['source'],
  meaning: 'older' | 'newer',
  options: EntryOptions,
) {
  const name = String(path.at(-1))
  const parsed = entrySchema.safeParse(value)
  const ofName = nameFaults(path, name)
  if (!parsed.success) {
    const keysAt = (below: KeyPath) => (below[0] === 'cache' ? CACHE_KEYS : ENTRY_KEYS)
    const faults = faultsOf(parsed.error, value, path, keysAt, SECRET_KEYS)
    return { repository: null, faults: [...ofName, ...faults], warnings: [] }
  }
  const entry: Entry = isVirtual ? { type: 'virtual', ...parsed.data } : parsed.data
  const found = toRepositorySettings(name, path, entry, source, meaning, options)
  const faults = [...ofName, ...found.faults]
  if (isVirtual && entry.type !== 'virtual') {
    faults.push(
      wrongValue([...path, 'type'], '"virtual" (or nothing) in this section', show(entry.type, false)),
    )
  }
  return { ...found, faults }
}

function nameFaults(path: KeyPath, name: string): Fault[] {
  const found: string[] = []
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) {
    found.push('a name has 1 to 63 letters, digits, ".", "_" or "-", and starts with a letter or digit')
  }
  if (RESERVED_NAMES.includes(name)) found.push(`the name is reserved, as are ${RESERVED_NAMES.join(', ')}`)
  return found.map(message => ({ ...fault(path, message), isAboutKey: true }))
}

function memberFaults(
  path: KeyPath,
  { members, format }: RepositorySettings,
  all: ReadonlyMap<string, RepositorySettings>,
): Fault[] {
  return members.flatMap((member, index) => {
    const at = [...path, 'members', index]
    const found = all.get(member)
    if (found === undefined) return [fault(at, `there is no repository "${member}"`)]
    if (found.kind === 'virtual') {
      return [fault(at, `"${member}" is virtual itself; members are remote or local repositories`)]
    }
    if (found.format === format) return []
    return [fault(at, `"${member}" holds ${found.format} packages, this repository ${format} ones`)]
  })
}

/** A key that is written but left empty (`cache:` with everything below it commented out) says nothing. */
function withoutNulls(entry: unknown): unknown {
  if (!isMap(entry)) return entry
  const empty = ['cache', 'description']
  return Object.fromEntries(
    Object.entries(entry).filter(([key, value]) => value !== null || !empty.includes(key)),
  )
}
