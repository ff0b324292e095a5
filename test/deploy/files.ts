// The files of deploy/ as the tests read them, and the tools that some tests try them with. Those tools are no part
// of CI's machine: where one is absent, what it would say is left out by name.

import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments, parseDocument } from 'yaml'
import { parseSettings } from '../../src/drivers/yaml-settings.ts'
import type { Settings } from '../../src/model/repository.ts'
import { PROJECT } from '../servers.ts'

export const DEPLOY = join(PROJECT, 'deploy')

export const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as {
  version: string
}

export function readDeploy(path: string): string {
  return readFileSync(join(DEPLOY, path), 'utf8')
}

export function listDeploy(folder: string): string[] {
  return readdirSync(join(DEPLOY, folder)).sort()
}

/** Fails at a duplicate key, a tab, a wrong indentation. */
export function readYaml(text: string): unknown {
  const document = parseDocument(text, { uniqueKeys: true, strict: true })
  if (document.errors[0] !== undefined) throw document.errors[0]
  return document.toJS()
}

/** The objects of a file with several documents; empty documents are none. */
export function readYamls(text: string): unknown[] {
  const documents = parseAllDocuments(text, { uniqueKeys: true, strict: true })
  if (!Array.isArray(documents)) return []
  for (const { errors } of documents) if (errors[0] !== undefined) throw errors[0]
  return documents.map(document => document.toJS() as unknown).filter(object => object !== null)
}

export function readSettings(text: string): Settings {
  return parseSettings(text, { fileName: 'remotes.yaml', source: 'file', readFile: () => 'secret' })
}

/** For `describe.skipIf`: true when `program args` ends well. */
export function answers(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0
}

export interface Ended {
  readonly status: number | null
  readonly out: string
  readonly error: string
}

export function run(program: string, args: readonly string[], cwd = DEPLOY): Ended {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8' })
  return { status, out: stdout ?? '', error: `${stderr ?? ''}${error?.message ?? ''}` }
}
