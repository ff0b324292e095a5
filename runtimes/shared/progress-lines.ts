// How far a long command is, on standard error: at first every second, then less and less often, so that hours do not
// fill a log.

import { writeText } from './standard-output.ts'

const FIRST_MS = 1_000
const LONGEST_MS = 30_000

export interface Progress {
  readonly pass: number
  readonly objects: number
  readonly bytes: number
  readonly allObjects: number
  readonly allBytes: number
  readonly copiedBytes: number
}

/** Prints a line when it is time for one. `now` in milliseconds, for tests. */
export function createProgressLines(
  print: (line: string) => void = line => writeText(2, `${line}\n`),
  now: () => number = () => performance.now(),
): (progress: Progress) => void {
  let printedAt = now()
  /** Whatever came before the first object says nothing about how long they take. */
  let startedAt: number | null = null
  let printedBytes = 0
  let waitMs = FIRST_MS

  return progress => {
    const at = now()
    startedAt ??= at
    if (at - printedAt < waitMs) return
    const rate = ((progress.copiedBytes - printedBytes) / (at - printedAt)) * 1000
    print(lineOf(progress, rate, at - startedAt))
    printedAt = at
    printedBytes = progress.copiedBytes
    waitMs = Math.min(LONGEST_MS, waitMs * 2)
  }
}

function lineOf(progress: Progress, rate: number, elapsedMs: number): string {
  const { pass, objects, allObjects, bytes, allBytes } = progress
  const counted = `${printCount(objects)} of ${printCount(allObjects)} objects`
  if (pass > 1) return `again, for what changed: ${counted}`
  const left = bytes === 0 ? '' : `, ${printDuration((elapsedMs * (allBytes - bytes)) / bytes)} left`
  return `${counted}, ${printBytes(bytes)} of ${printBytes(allBytes)}, ${printBytes(rate)}/s${left}`
}

export function printCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${printCount(count)} ${count === 1 ? one : many}`
}

export function printBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let value = Math.max(0, bytes)
  let unit = 0
  // Rounded it would be a thousand already.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0
  return `${value.toFixed(digits)} ${units[unit]}`
}

function printDuration(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
