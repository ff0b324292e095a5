// What a Worker and the Durable Object of a flight say to each other: plain data, and a Problem by its parts.

import { hearProblem, type SaidProblem, sayProblem } from '../../src/model/frames.ts'
import type { FlightJob, Landing } from '../../src/ports/flights.ts'

/** What the object of a flight can be asked, with a job or an id as JSON; it answers with `Said`. */
export type Question = 'join' | 'find' | 'done'

/** There is no such host: the object answers itself. */
const HOST = 'https://flight.invalid'

export function ask(question: Question, about: FlightJob | number): Request {
  return new Request(`${HOST}/${question}`, { method: 'POST', body: JSON.stringify(about) })
}

/** A flight that has landed. */
export interface LandedFlight {
  readonly id: number
  readonly isLeader: boolean
  readonly isOpen: boolean
  readonly arrived: number
  readonly rate: number
  readonly landing: Landing
}

/** A value, or why there is none: a Problem thrown across would arrive without its code. */
type Said<T> = { readonly value: T } | { readonly problem: SaidProblem }

export async function say(work: () => Promise<unknown>): Promise<Response> {
  try {
    return Response.json({ value: await work() })
  } catch (error) {
    return Response.json({ problem: sayProblem(error) })
  }
}

export async function hear<T>(answer: Response): Promise<T> {
  const said = await answer.json<Said<T>>()
  if ('value' in said) return said.value
  throw hearProblem(said.problem)
}

export interface BodyRequest {
  readonly id: number
  readonly start: number
  /** Inclusive; null = to its end. */
  readonly end: number | null
}

export function bodyUrl({ id, start, end }: BodyRequest): string {
  return `${HOST}/body/${id}/${start}-${end ?? ''}`
}

export function parseBodyUrl(url: string): BodyRequest | null {
  const match = /\/body\/(\d+)\/(\d+)-(\d*)$/.exec(url)
  if (match === null) return null
  const [, id, start, end] = match
  return { id: Number(id), start: Number(start), end: end === '' ? null : Number(end) }
}
