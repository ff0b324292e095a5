// What is wrong with a configuration, each fault with the key it belongs to.

import type { z } from 'zod'

export type KeyPath = readonly (string | number)[]

export interface Fault {
  readonly path: KeyPath
  /** The whole sentence. */
  readonly message: string
  /** What would have been right, where that can be said in a few words. */
  readonly expected: string | null
  /** True when the key itself is wrong, not its value. */
  readonly isAboutKey: boolean
}

export function fault(path: KeyPath, message: string): Fault {
  return { path, message, expected: null, isAboutKey: false }
}

export function unknownKey(path: KeyPath, known: readonly string[]): Fault {
  const expected = nearest(String(path.at(-1)), known)
  return { path, message: `unknown key; the nearest known one is "${expected}"`, expected, isAboutKey: true }
}

export function wrongValue(path: KeyPath, expected: string, got: string): Fault {
  return { path, message: `expected ${expected}, got ${got}`, expected, isAboutKey: false }
}

/** `remotes.npm.cache.mutable_ttl: expected …` */
export function printFault({ path, message }: Fault): string {
  return path.length === 0 ? message : `${path.join('.')}: ${message}`
}

/** A value for a message, cut short; of a secret nothing but what kind of thing it is. */
export function show(value: unknown, isSecret: boolean): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'nothing (an empty value)'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  if (isSecret) return typeof value === 'string' ? 'other text' : `a ${typeof value}`
  const shown = JSON.stringify(value) ?? String(value)
  return shown.length > 80 ? `${shown.slice(0, 80)}…` : shown
}

/** What a schema found, below `path`. The schema's messages say what was expected. */
export function faultsOf(
  error: z.ZodError,
  value: unknown,
  path: KeyPath,
  keysAt: (below: KeyPath) => readonly string[],
  secrets: readonly string[],
): Fault[] {
  return error.issues.flatMap(issue => {
    const below = issue.path.map(part => (typeof part === 'symbol' ? String(part) : part))
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map(key => unknownKey([...path, ...below, key], keysAt(below)))
    }
    if (issue.code === 'invalid_key') {
      return [{ ...fault([...path, ...below], 'this is not a header name'), isAboutKey: true }]
    }
    const isSecret = secrets.includes(String(below[0]))
    return [wrongValue([...path, ...below], issue.message, show(valueAt(value, below), isSecret))]
  })
}

function valueAt(value: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>(
    (at, key) => (isMap(at) || Array.isArray(at) ? Reflect.get(at, key) : undefined),
    value,
  )
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nearest(word: string, known: readonly string[]): string {
  const ranked = known.map(each => ({ each, distance: editDistance(word, each) }))
  return ranked.reduce((best, next) => (next.distance < best.distance ? next : best)).each
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= Math.min(a.length, 64); i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
