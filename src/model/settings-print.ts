// The configuration in effect, in its own words and without a single secret: what `/config` shows.

import type { Origin } from './origin.ts'
import type { RepositorySettings, Settings, StatusRange } from './repository.ts'

export interface PrintedSettings {
  readonly remotes: Readonly<Record<string, unknown>>
  readonly virtuals: Readonly<Record<string, unknown>>
}

export function redactSettings(settings: Pick<Settings, 'repositories'>): PrintedSettings {
  const all = [...settings.repositories.values()]
  const printed = (isVirtual: boolean) =>
    Object.fromEntries(
      all
        .filter(repository => (repository.kind === 'virtual') === isVirtual)
        .map(repository => [repository.name, redactRepository(repository)]),
    )
  return { remotes: printed(false), virtuals: printed(true) }
}

export function redactRepository(repository: RepositorySettings): Readonly<Record<string, unknown>> {
  const { kind, access, caching, quarantine, origin, upload } = repository
  const sources = (patterns: readonly { readonly source: string }[]) =>
    patterns.map(pattern => pattern.source)
  const allow = access.allow === null ? null : sources(access.allow)
  return {
    ...(origin === null ? {} : { base_url: origin.baseUrl }),
    type: kind,
    package: repository.format,
    description: repository.description,
    source: repository.source,
    ...(kind === 'virtual' ? { members: repository.members } : {}),
    ...(allow === null ? {} : access.allowsMutable ? { immutable_patterns: allow } : { patterns: allow }),
    ...(access.blocklist.length === 0 ? {} : { blocklist: sources(access.blocklist) }),
    ...(access.mutable.length === 0 ? {} : { mutable_patterns: sources(access.mutable) }),
    ...(access.immutable.length === 0 ? {} : { immutable_patterns: sources(access.immutable) }),
    ...(kind !== 'remote'
      ? {}
      : {
          check_mutable_updates: caching.checkMutableUpdates,
          cache: { immutable_ttl: caching.immutableTtlSeconds, mutable_ttl: caching.mutableTtlSeconds },
          negative_ttl: caching.negativeTtlSeconds,
          max_size: caching.maxBytes,
          stale_on: caching.staleOn.map(printRange),
        }),
    ...(repository.redirects ? { redirect: true } : {}),
    ...(kind === 'local' ? { max_upload: upload.maxBytes, allow_redeploy: upload.allowRedeploy } : {}),
    ...(quarantine === null
      ? {}
      : { quarantine_new: true, quarantine_days: quarantine.days, quarantine_status: quarantine.status }),
    ...(repository.banTags.length === 0 ? {} : { ban_tags_enabled: true, ban_tags: repository.banTags }),
    ...(origin === null ? {} : redactOrigin(origin)),
  }
}

/** Of what may be secret: that it is there. */
function redactOrigin(origin: Origin): Readonly<Record<string, unknown>> {
  return {
    allowed_hosts: origin.allowedHosts,
    has_credentials: origin.username !== undefined || origin.password !== undefined,
    headers: Object.keys(origin.headers),
    has_ca_file: origin.ca !== undefined,
    proxy: origin.proxy === undefined ? null : new URL(origin.proxy).host,
  }
}

function printRange({ from, to }: StatusRange): string {
  if (from % 100 === 0 && to === from + 99) return `${from / 100}xx`
  return from === to ? String(from) : `${from}-${to}`
}
