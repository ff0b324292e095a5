// The work that goes on beside requests: uses written down, limits kept, unreferenced bytes collected, staged bytes
// swept, blobs verified. Each job runs in one process at a time; one that fails is logged and tried again at its
// next turn, and never stops the others.

import { toProblem } from '../model/problem.ts'
import type { Repositories } from '../repositories/repositories.ts'
import { collect } from './collector.ts'
import { evict } from './eviction.ts'
import { exclusively } from './exclusively.ts'
import { scrub } from './scrub.ts'

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

export interface Maintenance {
  /** Ends all jobs, waits for them, and writes down what is left. */
  stop(): Promise<void>
}

/** For servers: runs every job in its turn until it is stopped. */
export function startMaintenance(repositories: Repositories): Maintenance {
  const { clock, options } = repositories.services
  const { maintenanceMs } = options
  const stopping = new AbortController()
  const { signal } = stopping

  async function repeat(pauseMs: number, firstPauseMs: number, job: () => Promise<void>): Promise<void> {
    await clock.sleep(firstPauseMs, signal)
    while (!signal.aborted) {
      await job()
      await clock.sleep(pauseMs, signal)
    }
  }

  const jobs = [
    repeat(HOUR_MS, 0, () => sweeping(repositories, signal)),
    repeat(10 * SECOND_MS, 10 * SECOND_MS, () => touching(repositories)),
    // The hot path waits for nothing: what another process changed would never be seen where all requests are hot.
    repeat(10 * SECOND_MS, 10 * SECOND_MS, () => repositories.directory.ready()),
    repeat(maintenanceMs, maintenanceMs, () => keepingLimits(repositories, () => signal)),
    repeat(maintenanceMs, maintenanceMs, () => scrubbing(repositories, signal)),
  ]

  return {
    async stop() {
      stopping.abort()
      await Promise.all(jobs)
      await touching(repositories)
    },
  }
}

/** How far a job may go, asked for when it begins. What it leaves is for its next turn. */
export type Allowance = (job: 'sweep' | 'evict' | 'collect') => AbortSignal | undefined

/** For cron handlers: every job once, but the scrub, which has no end. */
export async function runMaintenance(
  repositories: Repositories,
  allow: Allowance = () => undefined,
): Promise<void> {
  await touching(repositories)
  await sweeping(repositories, allow('sweep'))
  await keepingLimits(repositories, allow)
}

/** Drops staged bytes that nobody is writing. Says how many bodies went. */
export async function sweepStaging({ services }: Repositories): Promise<number> {
  const swept = await services.blobs.sweep(services.clock.now())
  if (swept > 0) services.log.info('Staged bytes without an owner were swept', { bodies: swept })
  return swept
}

function sweeping(repositories: Repositories, signal?: AbortSignal): Promise<void> {
  return alone(repositories, 'sweep', () => sweepStaging(repositories), signal)
}

function scrubbing(repositories: Repositories, signal: AbortSignal): Promise<void> {
  return alone(repositories, 'scrub', lost => scrub(repositories, lost), signal)
}

async function keepingLimits(repositories: Repositories, allow: Allowance): Promise<void> {
  await alone(repositories, 'evict', lost => evict(repositories, lost), allow('evict'))
  await alone(repositories, 'collect', lost => collecting(repositories, lost), allow('collect'))
}

async function collecting(repositories: Repositories, signal: AbortSignal): Promise<void> {
  const { blobs, bytes } = await collect(repositories, { signal })
  if (blobs > 0) repositories.services.log.info('Unreferenced blobs were collected', { blobs, bytes })
}

/** Each process writes down its own. */
async function touching({ catalog, services }: Repositories): Promise<void> {
  try {
    await catalog.flushTouches()
  } catch (error) {
    services.log.warn(toProblem(error, 'internal', 'Cannot write down when objects were used').message)
  }
}

async function alone(
  { services }: Repositories,
  name: string,
  work: (signal: AbortSignal) => Promise<unknown>,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await exclusively(services, `maintenance:${name}`, work, signal)
  } catch (error) {
    services.log.error(`Maintenance failed, and is tried again later: ${name}`, { error })
  }
}
