// A repository as its owner configured it: plain facts with every default filled in.

import type { Origin } from './origin.ts'
import type { Pattern } from './patterns.ts'

export type Kind = 'remote' | 'local' | 'virtual'

export interface RepositorySettings {
  readonly name: string
  readonly kind: Kind
  /** A registered format's name. */
  readonly format: string
  readonly description: string
  /** Who owns the entry: `file` and `starter` ones are read-only in the API. */
  readonly source: 'file' | 'api' | 'starter'
  /** Remotes only. */
  readonly origin: Origin | null
  /** Virtuals only, in order. */
  readonly members: readonly string[]
  readonly access: Access
  readonly caching: Caching
  readonly quarantine: Quarantine | null
  /** Tags that are refused; empty = none. */
  readonly banTags: readonly string[]
  /** A stored object is fetched from the store itself, where that can be linked to. */
  readonly redirects: boolean
  readonly upload: { readonly maxBytes: number | null; readonly allowRedeploy: boolean }
}

/** Two spellings of the configuration, one meaning: see `toAccess` in settings. */
export interface Access {
  /** Denied first. */
  readonly blocklist: readonly Pattern[]
  /** Null = everything is allowed. */
  readonly allow: readonly Pattern[] | null
  /** The older meaning: what is mutable is allowed without matching `allow`. */
  readonly allowsMutable: boolean
  /** Force a class; mutable wins where both match. */
  readonly mutable: readonly Pattern[]
  readonly immutable: readonly Pattern[]
}

export interface Caching {
  /** 0 = for ever. */
  readonly immutableTtlSeconds: number
  /** 0 = revalidate on every request. */
  readonly mutableTtlSeconds: number
  /** Null = the format's own. */
  readonly negativeTtlSeconds: number | null
  readonly checkMutableUpdates: boolean
  /** Statuses of the origin that an expired copy may stand in for. */
  readonly staleOn: readonly StatusRange[]
  /** Least recently used objects go when the repository holds more; null = no limit of its own. */
  readonly maxBytes: number | null
}

export interface StatusRange {
  readonly from: number
  readonly to: number
}

export interface Quarantine {
  readonly days: number
  /** Null = the format's own. */
  readonly status: number | null
}

export interface Settings {
  readonly repositories: ReadonlyMap<string, RepositorySettings>
  /** Things that work but should be known, each with its place in the file. */
  readonly warnings: readonly string[]
}
