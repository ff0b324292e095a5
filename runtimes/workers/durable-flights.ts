// Flights on Workers: one Durable Object for each thing that is fetched, the only place in the world where it flies.
// Nothing of it may stay in the Worker: a stream that one request made cannot be read by another one.

import type { ObjectRow } from '../../src/model/object.ts'
import { Problem, toProblem } from '../../src/model/problem.ts'
import type { FlightJob, Flights, FlightView } from '../../src/ports/flights.ts'
import { ask, bodyUrl, hear, type LandedFlight, type Question } from './flight-wire.ts'

export function createDurableFlights(namespace: DurableObjectNamespace): Flights {
  function stubOf({ repository, target }: FlightJob): DurableObjectStub {
    return namespace.get(namespace.idFromName(`${repository}\0${target.key}`))
  }

  async function call<T>(job: FlightJob, question: Question, about: FlightJob | number): Promise<T> {
    try {
      return await hear<T>(await stubOf(job).fetch(ask(question, about)))
    } catch (error) {
      throw toProblem(error, 'internal', `Cannot reach the flight of ${job.repository}/${job.target.key}`)
    }
  }

  /** The flight as it was when it landed. */
  function viewOf(job: FlightJob, { id, landing, ...facts }: LandedFlight): FlightView {
    let done: Promise<ObjectRow | null> | null = null

    /** Asked once, and only when somebody wants to know. */
    function askDone(): Promise<ObjectRow | null> {
      if (done === null) {
        done = call(job, 'done', id)
        done.catch(() => {})
      }
      return done
    }

    async function send(
      writable: WritableStream<Uint8Array>,
      start: number,
      end: number | null,
    ): Promise<void> {
      try {
        const response = await stubOf(job).fetch(bodyUrl({ id, start, end }))
        if (response.status !== 200 || response.body === null) throw lost()
        await response.body.pipeTo(writable, { preventClose: true })
        // A body whose length nobody told may end early without a sign.
        if (end === null && landing.kind === 'body' && landing.head.size === null) await askDone()
        await writable.close()
      } catch (error) {
        await writable.abort(error).catch(() => {})
      }
    }

    return {
      ...facts,
      isFollowing: false,
      landing: Promise.resolve(landing),
      get done() {
        return askDone()
      },
      body(start = 0, end) {
        if (landing.kind !== 'body' || (!landing.isKept && start > 0)) return null
        const { readable, writable } = new IdentityTransformStream()
        void send(writable, start, end ?? null)
        return readable
      },
    }
  }

  return {
    async join(job) {
      try {
        return viewOf(job, await call(job, 'join', job))
      } catch (error) {
        return failedView(error)
      }
    },
    async find(job) {
      const landed = await call<LandedFlight | null>(job, 'find', job)
      return landed === null ? null : viewOf(job, landed)
    },
    // They are in the air elsewhere.
    isFlying: () => false,
    count: () => 0,
  }
}

function failedView(error: unknown): FlightView {
  const landing = Promise.reject<never>(error)
  landing.catch(() => {})
  return {
    isLeader: false,
    isFollowing: false,
    isOpen: false,
    arrived: 0,
    rate: 0,
    landing,
    done: landing,
    body: () => null,
  }
}

function lost(): Problem {
  return new Problem('upstream-broken', 'Cannot go on with a flight: its Durable Object has been restarted')
}
