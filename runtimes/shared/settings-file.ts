// The configuration file, read again whenever it changes. A version that does not validate changes nothing but
// the fault that operators see; only at the start is it fatal.

import { readFileSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { parseSettings } from '../../src/drivers/yaml-settings.ts'
import { Problem, toProblem } from '../../src/model/problem.ts'
import type { Settings } from '../../src/model/repository.ts'
import type { Log } from '../../src/ports/log.ts'
import type { SettingsSource } from '../../src/ports/settings-source.ts'
import { STARTER_SET } from './starter-set.ts'

export interface SettingsFileOptions {
  readonly path: string
  /** The file may be absent: then the starter set is served until it appears. */
  readonly mayBeAbsent: boolean
  /** Names of the registered formats. */
  readonly formats: readonly string[]
  readonly log: Log
  /** How often the file is looked at; 1,000 by default. */
  readonly pollMs?: number
}

export interface SettingsFile extends SettingsSource {
  /** Ends watching. Twice is once. */
  close(): void
}

/** A writer that truncates first must not be caught in between. */
const SETTLE_MS = 100
const STARTER_ORIGIN = 'starter set'

interface Version {
  readonly settings: Settings
  /** The text, and those of the files it names (certificates, passwords). */
  readonly contents: readonly string[]
  readonly isStarter: boolean
}

/** Throws `settings-invalid` when the file is broken, or absent where it may not be. */
export async function openSettingsFile(options: SettingsFileOptions): Promise<SettingsFile> {
  const { log, path } = options
  const listeners = new Set<() => void>()
  /** Every file that has a say, as it was just before it was read, also when it was missing. */
  const seen = new Map<string, string>()
  const note = (file: string) => seen.set(file, fingerprintOf(file))
  note(path)
  let running = await readVersion(options, note)
  let fault: string | null = null
  let queue: Promise<void> = Promise.resolve()
  warn(log, running)

  async function load(): Promise<void> {
    seen.clear()
    note(path)
    try {
      const next = await readVersion({ ...options, mayBeAbsent: running.isStarter }, note)
      if (isBlank(next) && !isBlank(running)) throw new Problem('settings-invalid', blankMessage(path))
      const isNews = JSON.stringify(next.contents) !== JSON.stringify(running.contents)
      running = next
      if (fault !== null || isNews) log.info(`Read the configuration again: ${originOf(options, running)}`)
      fault = null
      if (!isNews) return
      warn(log, running)
      for (const listener of [...listeners]) listener()
    } catch (error) {
      const { message } = toProblem(error, 'internal', `Cannot use ${path}`)
      if (message !== fault) log.error(`${message}\nThe configuration that was running goes on`)
      fault = message
    }
  }

  async function look(): Promise<void> {
    const before = stateOf(seen.keys())
    if (before === [...seen.values()].join('\n')) return
    await new Promise(settled => setTimeout(settled, SETTLE_MS))
    if (stateOf(seen.keys()) === before) await load()
  }

  /** One reading at a time, in order. */
  function enqueue(work: () => Promise<void>): Promise<void> {
    queue = queue.then(work)
    return queue
  }

  let isLooking = false
  const timer = setInterval(() => {
    if (isLooking) return
    isLooking = true
    void enqueue(look).finally(() => {
      isLooking = false
    })
  }, options.pollMs ?? 1000)
  timer.unref()

  return {
    current: () => running.settings,
    get origin() {
      return originOf(options, running)
    },
    fault: () => fault,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    reload: () => enqueue(load),
    close: () => clearInterval(timer),
  }
}

/** What `config check` prints, and whether all is well. */
export async function checkSettingsFile(
  options: Omit<SettingsFileOptions, 'log' | 'pollMs'>,
): Promise<{ readonly isGood: boolean; readonly lines: readonly string[] }> {
  try {
    const version = await readVersion(options, () => {})
    const { repositories, warnings } = version.settings
    const lines = warnings.map(warning => `warning: ${warning}`)
    const count = repositories.size === 1 ? '1 repository' : `${repositories.size} repositories`
    return { isGood: true, lines: [...lines, `ok: ${count} in ${originOf(options, version)}`] }
  } catch (error) {
    return {
      isGood: false,
      lines: toProblem(error, 'internal', `Cannot use ${options.path}`).message.split('\n'),
    }
  }
}

async function readVersion(
  options: Omit<SettingsFileOptions, 'log' | 'pollMs'>,
  note: (file: string) => void,
): Promise<Version> {
  const { path, mayBeAbsent, formats } = options
  const text = await readText(path, mayBeAbsent)
  const contents = [text ?? STARTER_SET]
  const settings = parseSettings(text ?? STARTER_SET, {
    fileName: text === null ? STARTER_ORIGIN : basename(path),
    source: text === null ? 'starter' : 'file',
    formats,
    readFile(name) {
      const file = resolve(dirname(path), name)
      note(file)
      const found = readFileSync(file, 'utf8')
      contents.push(found)
      return found
    },
  })
  return { settings, contents, isStarter: text === null }
}

/** A file that was cut short on its way must not take all repositories away. */
function blankMessage(path: string): string {
  return `${basename(path)}:1:1: the file became empty; to serve nothing, write "remotes: {}"`
}

function isBlank({ contents }: Version): boolean {
  return contents[0]?.trim() === ''
}

async function readText(path: string, mayBeAbsent: boolean): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isAbsent(error)) {
      if (mayBeAbsent) return null
      throw new Problem(
        'settings-invalid',
        `Cannot read ${path}: there is no such file`,
        {},
        { cause: error },
      )
    }
    throw toProblem(error, 'settings-invalid', `Cannot read ${path}`)
  }
}

/** Changes when a file is written, replaced, or reached through another link; `stat` follows links. */
function fingerprintOf(file: string): string {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(file)
    return `${ino} ${size} ${mtimeMs} ${ctimeMs}`
  } catch {
    return 'absent'
  }
}

function stateOf(files: Iterable<string>): string {
  return [...files].map(fingerprintOf).join('\n')
}

function isAbsent(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT'
}

function originOf({ path }: { readonly path: string }, { isStarter }: Version): string {
  return isStarter ? STARTER_ORIGIN : path
}

function warn(log: Log, { settings }: Version): void {
  for (const warning of settings.warnings) log.warn(warning)
}
