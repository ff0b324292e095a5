// Whose staged file is this? Its name carries the process id and when that process started (in ticks since
// boot, where /proc tells), so that a process id used again is not taken for the old owner.

import { readFileSync } from 'node:fs'

const UNKNOWN_START = '0'

export function currentOwner(): string {
  return `${process.pid}-${startOf(process.pid) ?? UNKNOWN_START}`
}

export function isOwnerAlive(owner: string): boolean {
  const [pid = '', start = UNKNOWN_START] = owner.split('-')
  const running = startOf(Number(pid))
  if (running === null) return isProcessThere(Number(pid))
  return running === start || (start === UNKNOWN_START && running !== 'gone')
}

/** When the process started; `gone` when there is none; null where the system has no /proc. */
function startOf(pid: number): string | 'gone' | null {
  try {
    // The second field, the name in brackets, may hold anything; fields are counted from its end.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    return fields[0] === 'Z' || fields[0] === 'X' ? 'gone' : (fields[19] ?? null)
  } catch {
    return hasProc() ? 'gone' : null
  }
}

function hasProc(): boolean {
  try {
    return readFileSync('/proc/self/stat', 'utf8') !== ''
  } catch {
    return false
  }
}

function isProcessThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // EPERM: there is one, but it is not ours.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
