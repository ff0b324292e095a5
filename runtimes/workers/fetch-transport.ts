// The transport of Workers: the platform resolves names, keeps private networks out and pools connections, so there
// is no address to pin, and neither an authority of one's own nor a proxy to go through.

import { toHopProblem } from '../../src/drivers/hop-failure.ts'
import { Problem } from '../../src/model/problem.ts'
import type { Hop, RawResponse, Transport } from '../../src/ports/transport.ts'
import { widen } from './wide-reads.ts'

export function createFetchTransport(): Transport {
  return { send, close: async () => {} }
}

async function send(hop: Hop): Promise<RawResponse> {
  if (hop.ca !== undefined) throw unusable(hop, 'ca_file')
  if (hop.proxy !== undefined) throw unusable(hop, 'proxy')
  try {
    const response = await fetch(hop.url, {
      method: hop.method,
      body: bodyOf(hop),
      headers: { ...hop.headers },
      redirect: 'manual',
      encodeResponseBody: 'manual',
      signal: hop.signal,
    })
    return { status: response.status, headers: response.headers, body: response.body && widen(response.body) }
  } catch (error) {
    throw toHopProblem(hop.url, hop.signal.aborted ? hop.signal.reason : error)
  }
}

/** A stream keeps its length only through a stream of that length. */
function bodyOf({ body, headers }: Hop): BodyInit | null {
  if (!(body instanceof ReadableStream)) return body ?? null
  const fixed = new FixedLengthStream(Number(headers['content-length']))
  // A failure of either side reaches the other through the pipe.
  body.pipeTo(fixed.writable).catch(() => {})
  return fixed.readable
}

function unusable(hop: Hop, key: string): Problem {
  const { host } = new URL(hop.url)
  return new Problem('settings-invalid', `Cannot fetch from ${host}: ${key} does not exist on Workers`)
}
