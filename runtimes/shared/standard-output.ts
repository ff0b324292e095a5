// Text to standard output or standard error, written before the call returns, so that nothing is lost at an exit.

import { writeSync } from 'node:fs'

/** A reader that has stalled for so long loses the rest. */
const PATIENCE_MS = 200
const PAUSE_MS = 2

export function writeText(fd: 1 | 2, text: string): void {
  let rest: Uint8Array = new TextEncoder().encode(text)
  let waitedMs = 0
  while (rest.byteLength > 0 && waitedMs < PATIENCE_MS) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      if (!isFull(error)) throw error
      pause()
      waitedMs += PAUSE_MS
    }
  }
}

/** A pipe that does not block, and is full. */
function isFull(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'EAGAIN'
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
}
