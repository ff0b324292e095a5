// Who brings an object, of all processes that share the stores: one has the lease and goes to the origin, the others
// follow it while it comes. When the one in front is lost, the next to take the lease goes on; there is never a crowd
// at the origin, because everybody else finds a new one to follow.

import { type Problem, toProblem } from '../model/problem.ts'
import type { FlightJob } from '../ports/flights.ts'
import type { HeldLease } from '../ports/lease.ts'
import type { PeerFlight, Peers } from '../ports/peers.ts'
import type { Services } from '../services.ts'

export interface Convoy {
  /** True when there are other processes. */
  readonly isShared: boolean
  /** A place in the flight of `job`, its body from byte `start`. Waits while nobody can tell who is in front. */
  join(job: FlightJob, start: number): Promise<Place>
}

export type Place = { readonly kind: 'front'; readonly lead: Lead } | Behind

export interface Behind {
  readonly kind: 'behind'
  readonly flight: PeerFlight
  /** Names one flight of one process: who follows it again gets the same bytes. */
  readonly leader: string
}

export interface Lead {
  /** Makes sure that nobody has taken over meanwhile. */
  confirm(): Promise<boolean>
  /** Makes way for the next one. */
  end(): Promise<void>
}

/** How long a process that fell silent keeps the others waiting. */
const TTL_SECONDS = 5
const PULSE_MS = 1_000
const PAUSE_MS = 60

export type ConvoyParts = Pick<Services, 'lease' | 'clock' | 'log'> & { readonly peers: Peers | null }

export function createConvoy(parts: ConvoyParts): Convoy {
  const { peers } = parts
  return peers === null ? alone : { isShared: true, join: (job, start) => join(parts, peers, job, start) }
}

/** Whoever flies alone. */
export const FREELY: Lead = { confirm: async () => true, end: async () => {} }
const alone: Convoy = { isShared: false, join: async () => ({ kind: 'front', lead: FREELY }) }

async function join(parts: ConvoyParts, peers: Peers, job: FlightJob, start: number): Promise<Place> {
  const { lease, clock, log } = parts
  const name = `flight:${job.repository}/${job.target.key}`
  for (;;) {
    try {
      const held = await lease.acquire(name, TTL_SECONDS, peers.self)
      if (held !== null) return { kind: 'front', lead: hold(parts, held) }
      const holder = await lease.holder(name)
      if (holder !== null && holder.note !== peers.self) {
        const flight = await peers.follow(holder.note, job, start).catch(unlessLost)
        // A body that goes by without being kept: whoever missed its beginning fetches it himself.
        if (flight === 'closed') return { kind: 'front', lead: FREELY }
        if (flight !== null) return { kind: 'behind', flight, leader: `${holder.note} ${holder.token}` }
      }
    } catch (error) {
      const { message } = toProblem(error, 'internal', 'no lease can be had')
      log.warn(
        `Cannot tell who fetches ${job.repository}/${job.target.key}, so it is fetched here: ${message}`,
      )
      return { kind: 'front', lead: FREELY }
    }
    // Apart from each other, so that those who wait do not all ask in the same moment.
    await clock.sleep(PAUSE_MS * (0.5 + Math.random()))
  }
}

/** Keeps the lease for as long as the flight takes. */
function hold({ clock, log }: ConvoyParts, held: HeldLease): Lead {
  const over = new AbortController()
  let confirmedAt = clock.now()
  let isLost = false

  async function renew(): Promise<boolean> {
    if (isLost) return false
    const askedAt = clock.now()
    try {
      isLost = !(await held.renew(TTL_SECONDS))
      if (!isLost) confirmedAt = askedAt
    } catch (error) {
      // Whoever keeps the leases is away: nobody else can take it before its time is up.
      if (clock.now() - confirmedAt >= TTL_SECONDS * 1000) isLost = true
      log.debug('Cannot renew the lease of a flight', { error })
    }
    return !isLost
  }

  async function beat(): Promise<void> {
    while (!over.signal.aborted) {
      await clock.sleep(PULSE_MS, over.signal)
      if (over.signal.aborted || !(await renew())) return
    }
  }

  void beat()
  return {
    confirm: renew,
    async end() {
      over.abort()
      await held.release().catch(error => log.debug('Cannot release the lease of a flight', { error }))
    },
  }
}

function unlessLost(error: Problem): null {
  if (error.code !== 'peer-lost') throw error
  return null
}
