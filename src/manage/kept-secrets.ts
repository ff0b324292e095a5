// Secrets are never shown, so whoever changes a repository cannot send them back. Left out, they stay, but only while
// scheme, host and port of the origin do: a new `base_url` must never be sent the credentials of the old one.

import type { Origin } from '../model/origin.ts'

type Entry = Readonly<Record<string, unknown>>

/** `null` and `""` remove what they stand for; a key that is absent keeps it. */
export function withKeptSecrets(entry: Entry, stored: Origin | null): Entry {
  const isSame = stored !== null && isSameOrigin(entry.base_url, stored.baseUrl)
  return {
    ...entry,
    ...(isSame ? keptCredentials(entry, stored) : {}),
    ...keptHeaders(entry, isSame ? stored : null),
    ...(isSame ? keptProxy(entry, stored) : {}),
  }
}

function keptCredentials(entry: Entry, { username, password }: Origin): Entry {
  if (password === undefined || 'password' in entry || 'password_file' in entry) return {}
  return 'username' in entry || username === undefined ? { password } : { username, password }
}

/** The names alone, as a view lists them, stand for the values that are stored. */
function keptHeaders(entry: Entry, stored: Origin | null): Entry {
  if (!('headers' in entry)) return stored === null ? {} : { headers: stored.headers }
  const names = entry.headers
  if (!Array.isArray(names) || (stored === null && names.length > 0)) return {}
  const kept = names.map(name => [String(name), stored?.headers[String(name)]] as const)
  return kept.every(([, value]) => value !== undefined) ? { headers: Object.fromEntries(kept) } : {}
}

/** A view shows the host of the proxy, not who may use it. */
function keptProxy({ proxy }: Entry, stored: Origin): Entry {
  if (stored.proxy === undefined || proxy !== new URL(stored.proxy).host) return {}
  return { proxy: stored.proxy }
}

function isSameOrigin(given: unknown, stored: string): boolean {
  if (typeof given !== 'string' || !URL.canParse(given)) return false
  const url = new URL(given)
  // Credentials in the URL itself are new ones.
  return url.username === '' && url.password === '' && url.origin === new URL(stored).origin
}
