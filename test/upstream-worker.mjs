// A Worker that goes out on behalf of tests: POST { hop } or { request }, the whole answer comes back as JSON, and with
// it what became of the body that `sends` describes: so many bytes, given at once or as a stream.
// JavaScript, because its types would be those of Workers and not those of the tests.

import { createFetchTransport } from '../runtimes/workers/fetch-transport.ts'
import { createSystemClock } from '../src/drivers/system-clock.ts'
import { createUpstream } from '../src/drivers/upstream.ts'

const log = { debug() {}, info() {}, warn() {}, error() {}, line() {}, flush() {} }

// biome-ignore lint/style/noDefaultExport: the runtime looks for it
export default {
  async fetch(asked) {
    const { hop, request, limits, sends } = await asked.json()
    const outgoing = sends === undefined ? { seen: null } : bodyOf(sends)
    const leaving = new AbortController()
    if (sends?.leaveAfterMs !== undefined)
      setTimeout(() => leaving.abort(new Error('left')), sends.leaveAfterMs)
    const transport = createFetchTransport()
    const clock = createSystemClock()
    const upstream = createUpstream({ transport, resolver: null, clock, log, version: '1.2.3', limits })
    try {
      const answer = hop
        ? await transport.send({ ...hop, body: outgoing.body, signal: leaving.signal })
        : await upstream.send(request)
      const body = answer.body === null ? null : new Uint8Array(await new Response(answer.body).arrayBuffer())
      const { status, headers, url } = answer
      return Response.json({ status, headers: Object.fromEntries(headers), url, body: body && [...body] })
    } catch (error) {
      // What becomes of a body that is no longer wanted shows a moment later.
      if (sends !== undefined) await new Promise(resolve => setTimeout(resolve, 100))
      const { code, message, detail } = error
      return Response.json({ problem: { code, message, detail }, seen: outgoing.seen })
    }
  },
}

/** Each byte tells its place. */
function bodyOf({ bytes, isStream, failAt }) {
  const patternAt = (start, end) => Uint8Array.from({ length: end - start }, (_, i) => (start + i) % 251)
  if (!isStream) return { body: patternAt(0, bytes), seen: null }
  const seen = { pulled: 0, isLetGo: false }
  const body = new ReadableStream(
    {
      pull(controller) {
        if (seen.pulled === failAt) return controller.error(new Error('torn'))
        const end = Math.min(bytes, seen.pulled + 50_000, failAt ?? bytes)
        controller.enqueue(patternAt(seen.pulled, end))
        seen.pulled = end
        if (end === bytes) controller.close()
      },
      cancel: () => void (seen.isLetGo = true),
    },
    { highWaterMark: 0 },
  )
  return { body, seen }
}
