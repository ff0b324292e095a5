// A remote repository's origin: its address without what does not belong there, its credentials, and the files
// that the configuration names. Nothing in a message here may show a secret.

import { fault, show, wrongValue } from './faults.ts'
import type { Origin } from './origin.ts'
import type { Reading } from './settings-reading.ts'

export function toOrigin(reading: Reading): Origin | null {
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
