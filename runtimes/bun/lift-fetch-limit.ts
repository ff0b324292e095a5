// Bun's fetch runs at most 256 requests at a time in the whole process, bodies being streamed included, so that
// stalled downloads from one origin block all others. The limit is read before the first line of a program runs:
// the process has to replace itself once, with the variable set.

const VARIABLE = 'BUN_CONFIG_MAX_HTTP_REQUESTS'
const REQUESTS = '4096'

/** To be called first. Returns when the limit is lifted, or cannot be (Windows). */
export function liftFetchLimit(): void {
  if (process.env[VARIABLE] !== undefined || process.platform === 'win32') return
  const { execve } = process
  if (execve === undefined) return
  const [, script = '', ...args] = process.argv
  // A compiled binary carries its script in a file system of its own and takes only the user's arguments.
  const isCompiled = script.startsWith('/$bunfs/')
  const words = isCompiled ? args : [...process.execArgv, script, ...args]
  const env = { ...process.env, [VARIABLE]: REQUESTS }
  execve.call(process, process.execPath, [process.execPath, ...words], env)
}
