// The keys of a repository and what each of them takes. Every message in here is what was expected, so that a
// fault can read `expected …, got …`.

import { z } from 'zod'
import type { StatusRange } from './repository.ts'
import { parseSize, SIZE_WORDS } from './size.ts'

const SECONDS = 'a number of seconds ≥ 0'
const HOSTS = '"any", "same" or a list of host names'
const STATUS = 'a status such as 429, a class such as "5xx" or a range such as "500-504"'
const HEADER = 'a header value without line breaks, in quotes'

const text = z.string('text; put it in quotes')
const seconds = z.number(SECONDS).min(0, SECONDS)
const patterns = z.array(z.string('a pattern in quotes'), 'a list of patterns')
// "yes" and "on" were truth in YAML 1.1, which earlier implementations read.
const truth = z
  .union([z.boolean(), z.enum(['yes', 'no', 'on', 'off'])], 'true or false')
  .transform(value => value === true || value === 'yes' || value === 'on')
const size = z
  .custom<unknown>(value => parseSize(value) !== null, SIZE_WORDS)
  .transform(value => parseSize(value))
const status = z
  .custom<unknown>(value => parseStatus(value) !== null, STATUS)
  .transform(value => parseStatus(value) ?? { from: 0, to: -1 })
const hostName = z
  .string(HOSTS)
  .regex(
    /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:\d{1,5})?$/i,
    'a host name, with a port where it has its own',
  )
  .transform(name => name.toLowerCase())
const headers = z.record(
  z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/),
  z.string(HEADER).regex(/^[^\u0000-\u0008\u000a-\u001f\u007f]*$/, HEADER),
  'a map of header names and values',
)
const quarantineStatus = z
  .number('a status from 400 to 499')
  .int('a status from 400 to 499')
  .min(400, 'a status from 400 to 499')
  .max(499, 'a status from 400 to 499')

const cache = z.strictObject(
  { immutable_ttl: seconds, mutable_ttl: seconds },
  'a map with immutable_ttl and mutable_ttl',
)

export const entrySchema = z
  .strictObject(
    {
      base_url: text,
      type: z.enum(['remote', 'local', 'virtual'], '"remote", "local" or "virtual"'),
      package: text,
      package_type: text,
      description: text,
      username: text,
      password: text,
      password_file: text,
      immutable_patterns: patterns,
      mutable_patterns: patterns,
      patterns,
      blocklist: patterns,
      check_mutable_updates: truth,
      cache: cache.partial(),
      immutable_ttl: seconds,
      mutable_ttl: seconds,
      negative_ttl: seconds,
      max_size: size,
      max_upload: size,
      allow_redeploy: truth,
      redirect: truth,
      quarantine_new: truth,
      quarantine_days: z.number('a number of days ≥ 0').min(0, 'a number of days ≥ 0'),
      quarantine_status: quarantineStatus,
      ban_tags_enabled: truth,
      ban_tags: z.array(z.string('a tag in quotes'), 'a list of tags'),
      headers,
      ca_file: text,
      proxy: text,
      allowed_hosts: z.union([z.enum(['any', 'same']), z.array(hostName)], HOSTS),
      stale_on: z.array(status, 'a list such as [429, 5xx]'),
      members: z.array(z.string('the name of a repository'), 'a list of repository names'),
    },
    'a map of keys, such as base_url and package',
  )
  .partial()

export type Entry = z.output<typeof entrySchema>

export const ENTRY_KEYS: readonly string[] = Object.keys(entrySchema.shape)
export const CACHE_KEYS: readonly string[] = ['immutable_ttl', 'mutable_ttl']

/** Their values are shown nowhere. */
export const SECRET_KEYS: readonly string[] = ['username', 'password', 'headers', 'proxy', 'base_url']

/** Keys that say how to reach an origin and what to think of its answers. */
export const REMOTE_KEYS = [
  'username',
  'password',
  'password_file',
  'headers',
  'ca_file',
  'proxy',
  'allowed_hosts',
  'stale_on',
  'negative_ttl',
  'check_mutable_updates',
  'max_size',
  'quarantine_new',
] as const satisfies readonly (keyof Entry)[]

export const LOCAL_KEYS = ['max_upload', 'allow_redeploy'] as const satisfies readonly (keyof Entry)[]

function parseStatus(value: unknown): StatusRange | null {
  const [, low = '', high] = /^([45]\d\d)(?:\s*-\s*([45]\d\d))?$/.exec(String(value)) ?? []
  if (low !== '') {
    const range = { from: Number(low), to: Number(high ?? low) }
    return range.from <= range.to ? range : null
  }
  const [, digit] = /^([45])xx$/i.exec(String(value)) ?? []
  return digit === undefined ? null : { from: Number(digit) * 100, to: Number(digit) * 100 + 99 }
}
