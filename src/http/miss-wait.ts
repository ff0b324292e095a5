// A short wait for a flight to be kept. Where a streamed body cannot say its length, a miss that is over in a moment
// is better answered from the store, with its length; the wait ends early when it will not do.

import type { ObjectRow } from '../model/object.ts'
import type { Clock } from '../ports/clock.ts'
import type { FlightView } from '../ports/flights.ts'

const STEP_MS = 20
/** No disk here writes faster: a body that would take longer than the wait even so is not waited for. */
const BEST_BYTES_PER_MS = 500_000

/** The kept row, or null when the body has to be streamed. Fails as the flight fails. */
export async function landBriefly(
  flight: FlightView,
  size: number | null,
  waitMs: number,
  clock: Clock,
): Promise<ObjectRow | null> {
  if (waitMs <= 0 || (size !== null && size > waitMs * BEST_BYTES_PER_MS)) return null
  const deadline = clock.now() + waitMs
  for (;;) {
    const leftMs = deadline - clock.now()
    if (leftMs <= 0) return null
    const ended = await Promise.race([
      flight.done,
      clock.sleep(Math.min(STEP_MS, leftMs)).then(() => 'not yet' as const),
    ])
    if (ended !== 'not yet') return ended
    if (size === null || flight.rate === 0) continue
    const neededMs = ((size - flight.arrived) / flight.rate) * 1000
    if (neededMs > deadline - clock.now()) return null
  }
}
