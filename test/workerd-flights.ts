// Flights in Durable Objects as a test of another process uses them: the views of test/workerd-flights.mjs.

import { FrameReader, hearProblem, readJson, type SaidProblem } from '../src/model/frames.ts'
import type { FlightJob, Flights, FlightView, Landing } from '../src/ports/flights.ts'

type SaidView = Pick<FlightView, 'isLeader' | 'isFollowing' | 'isOpen' | 'arrived' | 'rate'> & {
  readonly id: string
  readonly landing: Landing | { readonly problem: SaidProblem }
}

/** `signal`: whoever asks leaves when it aborts. */
export function openWorkerdFlights(url: string, signal?: AbortSignal): Flights {
  async function ask<Value>(path: string, job?: FlightJob): Promise<Value> {
    const body = job === undefined ? undefined : JSON.stringify(job)
    const answer = await fetch(`${url}/flights/${path}`, { method: 'POST', body, signal })
    const said = JSON.parse(await answer.text()) // the Worker of the test wrote it
    if ('problem' in said) throw hearProblem(said.problem)
    return said.value
  }

  function viewOf({ id, landing, ...facts }: SaidView): FlightView {
    const landed = 'problem' in landing ? Promise.reject(hearProblem(landing.problem)) : landing
    const view = {
      ...facts,
      landing: Promise.resolve(landed),
      get done() {
        return ask<Awaited<FlightView['done']>>(`done/${id}`)
      },
      body(start = 0, end?: number) {
        const hasBody = 'kind' in landing && landing.kind === 'body'
        return hasBody ? openBody(`${url}/flights/body/${id}/${start}-${end ?? ''}`) : null
      },
    }
    view.landing.catch(() => {})
    return view
  }

  return {
    join: async job => viewOf(await ask('join', job)),
    async find(job) {
      const said = await ask<SaidView | null>('find', job)
      return said === null ? null : viewOf(said)
    },
    isFlying: () => false,
    count: () => 0,
  }
}

function openBody(url: string): ReadableStream<Uint8Array> {
  const frames = new FrameReader()
  let reader: ReadableStreamDefaultReader<Uint8Array> | null = null

  async function open(): Promise<ReadableStreamDefaultReader<Uint8Array>> {
    const answer = await fetch(url, { method: 'POST' })
    if (answer.body === null) throw new Error(`The Worker answered ${answer.status} without a body`)
    return answer.body.getReader()
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        reader ??= await open()
        for (let isGiven = false; !isGiven; ) {
          const { done, value } = await reader.read()
          if (done) throw new Error('The body ended without its last frame')
          for (const frame of frames.take(value)) {
            isGiven = true
            if (frame.kind === 'body') controller.enqueue(frame.content)
            else if (frame.kind === 'done') controller.close()
            else throw hearProblem(readJson(frame) as SaidProblem) // the Worker of the test wrote it
          }
        }
      },
      cancel: async () => void (await reader?.cancel()),
    },
    { highWaterMark: 0 },
  )
}
