// The token that writing and managing need. Without ADMIN_TOKEN one is made at the first start and kept beside the
// data, readable by its owner alone; only then is it shown.

import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from '../../src/model/problem.ts'

export interface AdminToken {
  readonly token: string
  /** Made just now: to be shown, this once. */
  readonly isNew: boolean
  readonly path: string
}

export function keepAdminToken(dataDir: string): AdminToken {
  const path = join(dataDir, 'admin-token')
  const kept = read(path)
  if (kept !== null) return { token: kept, isNew: false, path }
  const token = makeToken()
  writeFileSync(path, `${token}\n`, { mode: 0o600, flag: 'wx' })
  return { token, isNew: true, path }
}

export function makeToken(): string {
  return randomBytes(32).toString('base64url')
}

function read(path: string): string | null {
  let text: string
  try {
    text = readFileSync(path, 'utf8').trim()
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT') return null
    const reason = error instanceof Error ? error.message : String(error)
    throw new Problem('store-broken', `Cannot read the admin token: ${reason}`, {}, { cause: error })
  }
  if (text !== '') return text
  throw new Problem(
    'settings-invalid',
    `Cannot use ${path}: it is empty. Remove it to have a token made, or set ADMIN_TOKEN`,
  )
}
