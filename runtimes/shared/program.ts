// The program that Bun, Node and Deno run. Whatever keeps it from doing what the command line asks for ends it with
// one clear message on standard error and exit code 1.

import { readFileSync } from 'node:fs'
import process from 'node:process'
import { formatNames } from '../../src/app.ts'
import { Problem } from '../../src/model/problem.ts'
import { parseCommandLine, printHelp } from './command-line.ts'
import { type Environment, readEnvironment } from './environment.ts'
import type { Ground } from './ground.ts'
import { checkHealth, healthUrl } from './health-check.ts'
import { serve } from './serve.ts'
import { checkSettingsFile } from './settings-file.ts'
import { writeText } from './standard-output.ts'
import { version } from './version.ts'

/** Any time will do. */
const AWAKE_MS = 3_600_000

export async function runProgram(ground: Ground): Promise<void> {
  // Waits of our own keep no process alive: left alone with them, Node would end, and Bun never sleep.
  const awake = setInterval(() => {}, AWAKE_MS)
  try {
    const exitCode = await run(ground, process.argv.slice(2))
    if (exitCode !== null) process.exit(exitCode)
  } catch (error) {
    writeText(2, `artifactapi: ${describe(error)}\n`)
    process.exit(1)
  } finally {
    clearInterval(awake)
  }
}

/** The exit code; null when it serves from now on. */
async function run(ground: Ground, argv: readonly string[]): Promise<number | null> {
  const asked = parseCommandLine(argv)
  switch (asked.command) {
    case 'serve':
      await serve(ground, environment())
      return null
    case 'verify': {
      const { verify, repair } = await import('./store-commands.ts')
      return asked.isRepair ? repair(ground, environment()) : verify(ground, environment())
    }
    case 'collect': {
      const { collect } = await import('./store-commands.ts')
      return collect(ground, environment(), asked.isDryRun)
    }
    case 'migrate-store': {
      const { migrateStore } = await import('./move-commands.ts')
      return migrateStore(ground, asked.from, asked.to)
    }
    case 'backup': {
      const { backup } = await import('./move-commands.ts')
      return backup(ground, environment(), asked)
    }
    case 'restore': {
      const { restore } = await import('./move-commands.ts')
      return restore(ground, environment(), asked)
    }
    case 'check':
      return check(asked.file)
    case 'health': {
      const { isGood, line } = await checkHealth(asked.url ?? healthUrl(environment().listen))
      writeText(isGood ? 1 : 2, `${line}\n`)
      return isGood ? 0 : 1
    }
    case 'help':
      writeText(1, printHelp(version))
      return 0
    case 'version':
      writeText(1, `artifactapi ${version}\n`)
      return 0
    case 'mistake':
      writeText(2, `artifactapi: ${asked.message}\n`)
      return 2
  }
}

async function check(file: string | null): Promise<number> {
  const chosen = file === null ? environment() : null
  const { isGood, lines } = await checkSettingsFile({
    path: chosen?.configPath ?? file ?? '',
    mayBeAbsent: chosen?.isDefaultConfigPath ?? false,
    formats: formatNames,
  })
  writeText(isGood ? 1 : 2, `${lines.join('\n')}\n`)
  return isGood ? 0 : 1
}

function environment(): Environment {
  return readEnvironment(process.env, path => readFileSync(path, 'utf8'))
}

/** A fault of the operator's world is a sentence; one of ours comes with where it happened. */
function describe(error: unknown): string {
  if (error instanceof Problem) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
