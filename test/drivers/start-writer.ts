// Starts `blob-writer.ts` in a process of its own, by default on the runtime that runs the tests. It never
// outlives the test.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export interface Writer {
  /** What it said so far. */
  readonly lines: string[]
  /** Resolves with its exit code when it has ended. */
  readonly ended: Promise<number | null>
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>
}

const COMMANDS = {
  node: ['../../node_modules/node/bin/node'],
  bun: ['../../node_modules/.bin/bun', 'run'],
  deno: ['../../node_modules/.bin/deno', 'run', '-A', '--quiet'],
} as const

/** Resolves once it has said its first line. */
export async function startWriter(
  directory: string,
  mode: 'hold' | 'write' | 'commit' | 'once',
  runtime?: keyof typeof COMMANDS,
): Promise<Writer> {
  const [file, ...flags] = runtime === undefined ? [process.execPath] : COMMANDS[runtime]
  const command = runtime === undefined ? file : pathTo(file)
  const child = spawn(command, [...flags, pathTo('./blob-writer.ts'), directory, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
  })
  const exited = once(child, 'close')
  onTestFinished(() => void child.kill('SIGKILL'))
  await Promise.race([once(child.stdout, 'data'), exited])
  return {
    lines,
    ended: exited.then(([code]) => code),
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

function pathTo(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url))
}
