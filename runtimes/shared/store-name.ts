// A store as an operator names it on the command line: `embedded:DIR`, `env`, or `env:FILE` with the variables of another
// server, one NAME=VALUE a line.

import { Problem } from '../../src/model/problem.ts'
import { type Environment, readEnvironment } from './environment.ts'

export type StoreName =
  | { readonly kind: 'embedded'; readonly directory: string }
  | { readonly kind: 'env'; readonly file: string | null }

export const STORE_WORDS = 'embedded:DIR, env or env:FILE'

/** Null: no name of a store. */
export function parseStoreName(text: string): StoreName | null {
  if (text === 'env') return { kind: 'env', file: null }
  const [, kind, rest = ''] = /^(embedded|env):(.+)$/s.exec(text) ?? []
  if (kind === 'embedded') return { kind, directory: rest }
  return kind === 'env' ? { kind, file: rest } : null
}

export function printStoreName(name: StoreName): string {
  if (name.kind === 'embedded') return `embedded:${name.directory}`
  return name.file === null ? 'env' : `env:${name.file}`
}

type Variables = Readonly<Record<string, string | undefined>>

/** `own`: the variables of this process. Throws `settings-invalid`. */
export function environmentOf(
  name: StoreName,
  own: Variables,
  readFile: (path: string) => string,
): Environment {
  if (name.kind === 'embedded') return readEnvironment({ DATA_DIR: name.directory }, readFile)
  return readEnvironment(name.file === null ? own : readVariables(name.file, readFile), readFile)
}

function readVariables(file: string, readFile: (path: string) => string): Variables {
  const found: Record<string, string> = {}
  for (const [index, line] of textOf(file, readFile).split(/\r?\n/).entries()) {
    const text = line.trim()
    if (text === '' || text.startsWith('#')) continue
    const [, name = '', value = ''] = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(text) ?? []
    // The line itself may be a secret.
    if (name === '')
      throw new Problem('settings-invalid', `Cannot use ${file}: line ${index + 1} is not NAME=VALUE`)
    found[name] = unquoted(value.trim())
  }
  return found
}

function textOf(file: string, readFile: (path: string) => string): string {
  try {
    return readFile(file)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Problem('not-found', `Cannot read ${file}: ${reason}`, {}, { cause: error })
  }
}

function unquoted(value: string): string {
  const [, , inside] = /^(["'])(.*)\1$/.exec(value) ?? []
  return inside ?? value
}
