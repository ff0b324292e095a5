// Settings of Bun that it reads before the first line of a program runs: to have them, the process has to replace
// itself once, with the variables set. What the operator set already stays.

const SETTINGS: Readonly<Record<string, string>> = {
  // Else fetch runs at most 256 requests at a time in the whole process, bodies being streamed included, so that
  // stalled downloads from one origin block all others.
  BUN_CONFIG_MAX_HTTP_REQUESTS: '4096',
  // The garbage collector lets the heap grow by what it believes the machine has. Bodies pass through here in buffers
  // that live for a moment: with 1 GiB they are collected in time, and memory does not grow with the download.
  BUN_JSC_forceRAMSize: String(1024 * 1024 * 1024),
}

/** To be called first. Returns when the settings hold, or cannot be made to (Windows). */
export function applyEngineSettings(): void {
  const missing = Object.entries(SETTINGS).filter(([name]) => process.env[name] === undefined)
  const { execve } = process
  if (missing.length === 0 || process.platform === 'win32' || execve === undefined) return
  const [, script = '', ...args] = process.argv
  // A compiled binary carries its script in a file system of its own and takes only the user's arguments.
  const isCompiled = script.startsWith('/$bunfs/')
  const words = isCompiled ? args : [...process.execArgv, script, ...args]
  const env = { ...process.env, ...Object.fromEntries(missing) }
  execve.call(process, process.execPath, [process.execPath, ...words], env)
}
