// A wait with an end, on the injected clock.

import type { Clock } from '../ports/clock.ts'

/** Calls `expire` after `ms` unless the returned function is called before. */
export function armDeadline(clock: Clock, ms: number, expire: () => void): () => void {
  const disarmed = new AbortController()
  void clock.sleep(ms, disarmed.signal).then(() => {
    if (!disarmed.signal.aborted) expire()
  })
  return () => disarmed.abort()
}

/** `work`, or the reason of `signal` as soon as it aborts. What comes too late goes to `late`. */
export function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal,
  late: (value: T) => void = () => {},
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const leave = () => reject(signal.reason)
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
    work
      .then(value => (signal.aborted ? late(value) : resolve(value)), reject)
      .finally(() => signal.removeEventListener('abort', leave))
  })
}

/** Has `child` abort when `parent` does. Returns the way to undo it. */
export function chain(
  parent: AbortSignal | undefined,
  child: AbortController,
  reason: () => unknown,
): () => void {
  if (parent === undefined) return () => {}
  const pass = () => child.abort(reason())
  if (parent.aborted) pass()
  else parent.addEventListener('abort', pass, { once: true })
  return () => parent.removeEventListener('abort', pass)
}
