// What the operating system and chance may ask of the process: to end, to read its configuration again, to survive.

import process from 'node:process'
import type { Log } from '../../src/ports/log.ts'

export interface SignalActions {
  readonly log: Log
  /** Ends everything in order; the process exits when it resolves. */
  end(): Promise<void>
  reload(): Promise<void>
}

export function onSignals({ log, end, reload }: SignalActions): void {
  let isEnding = false

  function leave(signal: 'SIGTERM' | 'SIGINT'): void {
    if (isEnding) {
      // Ctrl-C twice: whoever sits there does not want to wait.
      if (signal === 'SIGINT') process.exit(130)
      return
    }
    isEnding = true
    log.info(`Ending on ${signal}: running answers may end`)
    log.flush()
    end().then(
      () => exit(log, 0, 'Ended'),
      error => {
        log.error('Cannot end in order', { error })
        exit(log, 1, 'Ended')
      },
    )
  }

  process.on('SIGTERM', () => leave('SIGTERM'))
  process.on('SIGINT', () => leave('SIGINT'))
  process.on('SIGHUP', () => {
    reload().catch(error => log.error('Cannot read the configuration again', { error }))
  })
}

/** Nothing fails without a line in the log; after an exception that nobody caught nothing can be relied on. */
export function watchErrors(log: Log): void {
  process.on('unhandledRejection', error => log.error('A promise failed and nobody listened', { error }))
  process.on('uncaughtException', error => {
    log.error('An error was not caught: the process ends', { error })
    exit(log, 1, 'Ended')
  })
}

function exit(log: Log, code: number, message: string): void {
  log.info(message, { code })
  log.flush()
  process.exit(code)
}
