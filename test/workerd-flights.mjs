// The Worker with a way in for tests of its flights: POST /flights/<join|find> with a job, then, by the number of the
// view that came back, /flights/done/<view> and /flights/body/<view>/<start>-<end>. Everything else is the Worker's own.
// A body is sent in frames, because workerd ends a body without a length cleanly also when it fails.
// JavaScript, because its types would be those of Workers and not those of the tests.

import { createDurableFlights } from '../runtimes/workers/durable-flights.ts'
import worker, { FlightObject, LeaseObject } from '../runtimes/workers/main.ts'
import { frameHead, jsonFrame, sayProblem } from '../src/model/frames.ts'

export { FlightObject, LeaseObject }

const views = new Map()

// biome-ignore lint/style/noDefaultExport: the runtime looks for it
export default {
  ...worker,
  async fetch(request, env, context) {
    const [, place, question, view, part] = new URL(request.url).pathname.split('/')
    if (place !== 'flights') return worker.fetch(request, env, context)
    if (question === 'body') return bodyOf(views.get(view), part)
    try {
      if (question === 'done') return Response.json({ value: await views.get(view).done })
      return Response.json({ value: await told(createDurableFlights(env.FLIGHTS), question, request) })
    } catch (error) {
      return Response.json({ problem: sayProblem(error) })
    }
  },
}

async function told(flights, question, request) {
  const view = await flights[question](await request.json())
  if (view === null) return null
  const id = String(views.size)
  views.set(id, view)
  const { isLeader, isFollowing, isOpen, arrived, rate } = view
  const landing = await view.landing.catch(error => ({ problem: sayProblem(error) }))
  return { id, isLeader, isFollowing, isOpen, arrived, rate, landing }
}

function bodyOf(view, part) {
  const [start, end] = part.split('-')
  const body = view.body(Number(start), end === '' ? undefined : Number(end))
  const { readable, writable } = new IdentityTransformStream()
  void sendFrames(body, writable.getWriter())
  return new Response(readable)
}

async function sendFrames(body, writer) {
  try {
    for await (const chunk of body) {
      await writer.write(frameHead('body', chunk.byteLength))
      await writer.write(chunk)
    }
    await writer.write(jsonFrame('done', null))
  } catch (error) {
    await writer.write(jsonFrame('failure', sayProblem(error)))
  }
  await writer.close()
}
