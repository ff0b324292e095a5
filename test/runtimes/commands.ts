// Commands of the program as an operator gives them: a process of its own, what it printed and its exit code.

import { Buffer } from 'node:buffer'
import { type ChildProcess, spawn } from 'node:child_process'
import { COMMANDS, PROJECT } from '../servers.ts'

export interface CommandResult {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly stdout: Buffer
  readonly out: string
  readonly err: string
}

export interface RunningCommand {
  readonly child: ChildProcess
  readonly result: Promise<CommandResult>
  /** What it wrote to standard error so far. */
  err(): string
}

export interface CommandOptions {
  /** Beside PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: Uint8Array
}

type RuntimeOfCommands = keyof typeof COMMANDS

export function startCommand(
  runtime: RuntimeOfCommands,
  words: readonly string[],
  { env = {}, input }: CommandOptions = {},
): RunningCommand {
  const [program, ...args] = COMMANDS[runtime]
  const child = spawn(program, [...args, ...words], {
    cwd: PROJECT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, CONFIG_PATH: '', ...env },
    stdio: 'pipe',
  })
  const out: Buffer[] = []
  let err = ''
  child.stdout.on('data', chunk => out.push(chunk))
  child.stderr.on('data', chunk => {
    err += String(chunk)
  })
  // It may end before it has read all.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const result = new Promise<CommandResult>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => {
      const stdout = Buffer.concat(out)
      resolve({ code, stdout, out: stdout.toString(), err })
    })
  })
  return { child, result, err: () => err }
}

export function runCommand(
  runtime: RuntimeOfCommands,
  words: readonly string[],
  options?: CommandOptions,
): Promise<CommandResult> {
  return startCommand(runtime, words, options).result
}
