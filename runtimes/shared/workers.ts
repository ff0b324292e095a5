// Several processes that serve one address together (WORKERS): this one holds the data directory, starts the others,
// carries their messages, and starts again whoever ends. It serves nothing itself.

import { type ChildProcess, spawn } from 'node:child_process'
import process from 'node:process'
import type { Log } from '../../src/ports/log.ts'
import { isMessage } from './process-broadcast.ts'
import { onSignals } from './signals.ts'
import { environmentOf, isWorkerMessage, type WorkerMessage } from './worker-place.ts'

export interface WorkersOptions {
  readonly count: number
  /** Shared by all of them. */
  readonly adminToken: string | null
  readonly log: Log
}

/** A process that ends sooner than this after its start is given time before the next attempt. */
const YOUNG_MS = 5_000
const PAUSE_MS = 1_000
/** Longer than a worker gives itself. */
const ENDING_MS = 35_000

export function startWorkers({ count, adminToken, log }: WorkersOptions): void {
  const children: (ChildProcess | null)[] = Array.from({ length: count }, () => null)
  let isEnding = false
  const addresses: (string | null)[] = Array.from({ length: count }, () => null)
  let hasServed = false

  function start(index: number): void {
    const startedAt = performance.now()
    const [program, args] = ownCommand()
    const child = spawn(program, args, {
      env: {
        ...process.env,
        ...environmentOf({ index, count }),
        ...(adminToken === null ? {} : { ADMIN_TOKEN: adminToken, ADMIN_TOKEN_FILE: '' }),
      },
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    })
    children[index] = child
    child.on('error', error => log.error(`Cannot start worker ${index}`, { error }))
    child.on('message', message => {
      if (isMessage(message)) relay(child, message)
      else if (isWorkerMessage(message) && 'serving' in message) {
        hasServed = true
        tell(index, message.serving.address)
      }
    })
    child.on('exit', (code, signal) => {
      children[index] = null
      if (isEnding) return
      // A first start that fails is no accident: the message it printed says why.
      if (!hasServed) return giveUp(code)
      tell(index, null)
      const isYoung = performance.now() - startedAt < YOUNG_MS
      log.error(`Worker ${index} ended (${signal ?? `exit ${code}`}): it is started again`, { worker: index })
      setTimeout(() => !isEnding && start(index), isYoung ? PAUSE_MS : 0)
    })
  }

  /** Who serves where is known to all of them. */
  function tell(index: number, address: string | null): void {
    addresses[index] = address
    relay(null, { workers: addresses } satisfies WorkerMessage)
  }

  function relay(from: ChildProcess | null, message: object): void {
    for (const child of children) if (child !== null && child !== from && child.connected) child.send(message)
  }

  function giveUp(code: number | null): void {
    isEnding = true
    for (const child of children) child?.kill('SIGTERM')
    process.exit(code ?? 1)
  }

  async function end(): Promise<void> {
    isEnding = true
    const running = children.flatMap(child => (child === null ? [] : [child]))
    const ended = Promise.all(running.map(child => new Promise(resolve => child.once('exit', resolve))))
    for (const child of running) child.kill('SIGTERM')
    const timer = setTimeout(() => running.map(child => child.kill('SIGKILL')), ENDING_MS)
    await ended
    clearTimeout(timer)
  }

  onSignals({
    log,
    end,
    async reload() {
      for (const child of children) child?.kill('SIGHUP')
    },
  })
  for (let index = 0; index < count; index++) start(index)
}

/** How this very process was started; a compiled binary carries its script in a file system of its own. */
function ownCommand(): [string, string[]] {
  const [, script = '', ...args] = process.argv
  return [process.execPath, script.startsWith('/$bunfs/') ? args : [...process.execArgv, script, ...args]]
}
