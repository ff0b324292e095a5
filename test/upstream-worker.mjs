// A Worker that goes out on behalf of tests: POST { hop } or { request }, the whole answer comes back as JSON.
// JavaScript, because its types would be those of Workers and not those of the tests.

import { createFetchTransport } from '../runtimes/workers/fetch-transport.ts'
import { createSystemClock } from '../src/drivers/system-clock.ts'
import { createUpstream } from '../src/drivers/upstream.ts'

const log = { debug() {}, info() {}, warn() {}, error() {}, line() {}, flush() {} }

// biome-ignore lint/style/noDefaultExport: the runtime looks for it
export default {
  async fetch(asked) {
    const { hop, request, limits } = await asked.json()
    const transport = createFetchTransport()
    const clock = createSystemClock()
    const upstream = createUpstream({ transport, resolver: null, clock, log, version: '1.2.3', limits })
    try {
      const answer = hop
        ? await transport.send({ ...hop, signal: new AbortController().signal })
        : await upstream.send(request)
      const body = answer.body === null ? null : new Uint8Array(await new Response(answer.body).arrayBuffer())
      const { status, headers, url } = answer
      return Response.json({ status, headers: Object.fromEntries(headers), url, body: body && [...body] })
    } catch (error) {
      return Response.json({ problem: { code: error.code, message: error.message, detail: error.detail } })
    }
  },
}
