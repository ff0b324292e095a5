// The other processes, asked over HTTP at the address they gave. A flight is followed as a row of frames; a process
// that falls silent, or breaks off before its last frame, is lost.

import { type Frame, FrameReader, hearProblem, readJson, type SaidProblem } from '../model/frames.ts'
import type { ObjectRow } from '../model/object.ts'
import { Problem, toProblem } from '../model/problem.ts'
import type { Clock } from '../ports/clock.ts'
import type { Landing } from '../ports/flights.ts'
import type { PeerFlight, Peers } from '../ports/peers.ts'
import { armDeadline } from './deadline.ts'
import type { ServiceLink } from './service-link.ts'

/** A living process sends at least a pulse every second. */
const SILENCE_MS = 3_500

export interface HttpPeersParts {
  readonly link: ServiceLink
  readonly clock: Clock
  /** `host:port` of this process. */
  readonly self: string
  /** What all processes that share the stores know, and nobody else. */
  readonly secret: () => Promise<string>
  /** Null for a process that serves its address alone. */
  readonly worker: string | null
  readonly siblings: Peers['siblings']
}

export function createHttpPeers({ link, clock, self, secret, worker, siblings }: HttpPeersParts): Peers {
  return {
    self,
    worker,
    siblings,
    async figures(address) {
      const response = await link.send({
        url: `http://${address}/metrics`,
        method: 'GET',
        headers: { authorization: `Bearer ${await secret()}` },
        answerMs: SILENCE_MS,
      })
      const text = await new Response(response.body).text()
      if (response.status === 200) return text
      throw new Problem('peer-lost', `Cannot read the figures of ${address}: it answered ${response.status}`)
    },
    async follow(address, job, start) {
      const leaving = new AbortController()
      try {
        const response = await link.send({
          url: `http://${address}/flights`,
          method: 'POST',
          headers: { authorization: `Bearer ${await secret()}`, 'content-type': 'application/json' },
          body: new TextEncoder().encode(JSON.stringify({ job, start })),
          signal: leaving.signal,
          answerMs: SILENCE_MS,
        })
        if (response.status === 200 && response.body !== null)
          return new FollowedFlight(address, response.body, leaving, clock)
        await response.body?.cancel()
        if (response.status === 404) return null
        if (response.status === 410) return 'closed'
        throw new Problem('peer-lost', `Cannot follow ${address}: it answered ${response.status}`)
      } catch (error) {
        leaving.abort()
        throw lost(address, error)
      }
    },
  }
}

/** What all runtimes' readers have. */
interface Wire {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array }>
  cancel(): Promise<void>
}

class FollowedFlight implements PeerFlight {
  readonly landing: Promise<Landing>
  readonly done: Promise<ObjectRow | null>
  readonly #address: string
  readonly #clock: Clock
  readonly #leaving: AbortController
  readonly #wire: Wire
  readonly #frames = new FrameReader()
  readonly #ready: Frame[] = []
  #settle: { done(row: ObjectRow | null): void; fail(problem: Problem): void }

  constructor(address: string, wire: ReadableStream<Uint8Array>, leaving: AbortController, clock: Clock) {
    this.#address = address
    this.#clock = clock
    this.#leaving = leaving
    this.#wire = wire.getReader()
    this.#settle = { done() {}, fail() {} }
    this.done = new Promise((done, fail) => {
      this.#settle = { done, fail }
    })
    this.landing = this.#land()
    // Nobody is obliged to wait for either.
    this.landing.catch(() => {})
    this.done.catch(() => {})
  }

  async #land(): Promise<Landing> {
    const frame = await this.#next()
    if (frame?.kind === 'landing') return readJson(frame) as Landing // a version of ourselves wrote it
    throw this.#fail(
      new Problem('peer-lost', `Cannot follow ${this.#address}: it said nothing of its flight`),
    )
  }

  body(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async controller => {
          try {
            const frame = await this.#next()
            if (frame?.kind === 'body') controller.enqueue(frame.content)
            else controller.close()
          } catch (error) {
            controller.error(error)
          }
        },
        cancel: () => this.cancel(),
      },
      { highWaterMark: 0 },
    )
  }

  cancel(): void {
    this.#leaving.abort()
    this.#wire.cancel().catch(() => {})
    this.#settle.fail(
      new Problem('cancelled', `Cannot tell how a flight of ${this.#address} ended: it was left`),
    )
  }

  /** The next frame that says something; null at a good end. Fails with the flight's own Problem, or `peer-lost`. */
  async #next(): Promise<Frame | null> {
    for (;;) {
      const frame = this.#ready.shift()
      if (frame === undefined) {
        await this.#read()
      } else if (frame.kind === 'done') {
        this.#settle.done(readJson(frame) as ObjectRow | null) // a version of ourselves wrote it
        return null
      } else if (frame.kind === 'failure') {
        throw this.#fail(hearProblem(readJson(frame) as SaidProblem)) // a version of ourselves wrote it
      } else if (frame.kind !== 'pulse') {
        return frame
      }
    }
  }

  async #read(): Promise<void> {
    const silent = new AbortController()
    const disarm = armDeadline(this.#clock, SILENCE_MS, () => silent.abort())
    try {
      const { done, value } = await Promise.race([this.#wire.read(), aborted(silent.signal)])
      if (done || value === undefined) throw new Error('it broke off')
      this.#ready.push(...this.#frames.take(value))
    } catch (error) {
      this.#leaving.abort()
      throw this.#fail(lost(this.#address, error))
    } finally {
      disarm()
    }
  }

  #fail(problem: Problem): Problem {
    this.#settle.fail(problem)
    return problem
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error(`nothing came for ${SILENCE_MS} ms`)))
  })
}

function lost(address: string, error: unknown): Problem {
  if (error instanceof Problem && error.code === 'peer-lost') return error
  const { message } = toProblem(error, 'peer-lost', `Cannot follow ${address}`)
  return new Problem('peer-lost', message, { peer: address }, { cause: error })
}
