// One process at a time: work under a lease that is renewed for as long as it takes.

import type { Services } from '../services.ts'

const TTL_SECONDS = 60
const RENEW_MS = 20_000

/** Null, at once, when another one is at it. The signal given to `work` aborts with `signal`, and when the lease is lost. */
export async function exclusively<Result>(
  { lease, clock }: Pick<Services, 'lease' | 'clock'>,
  name: string,
  work: (signal: AbortSignal) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result | null> {
  const held = await lease.acquire(name, TTL_SECONDS)
  if (held === null) return null
  const working = new AbortController()
  const done = new AbortController()
  const end = () => working.abort()
  if (signal?.aborted) end()
  signal?.addEventListener('abort', end)

  async function holdOn(): Promise<void> {
    for (;;) {
      await clock.sleep(RENEW_MS, done.signal)
      if (done.signal.aborted) return
      const isHeld = await held?.renew(TTL_SECONDS).catch(() => false)
      if (!isHeld) return end()
    }
  }

  const holding = holdOn()
  try {
    return await work(working.signal)
  } finally {
    signal?.removeEventListener('abort', end)
    done.abort()
    await holding
    await held.release()
  }
}
