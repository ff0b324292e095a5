// Names to addresses as the machine resolves them, remembered for half a minute: connection pools are kept by
// address, and a name that does not resolve may hold one of the few resolver threads only once.

import { lookup } from 'node:dns/promises'
import type { Clock } from '../../src/ports/clock.ts'
import type { Resolver } from '../../src/ports/transport.ts'

const KEEP_MS = 30_000
const NAME_LIMIT = 1_000

interface Answer {
  readonly ips: Promise<readonly string[]>
  readonly until: number
}

export function createSystemResolver(clock: Clock, keepMs = KEEP_MS): Resolver {
  const answers = new Map<string, Answer>()

  return host => {
    const known = answers.get(host)
    if (known !== undefined && clock.now() < known.until) return known.ips
    const ips = resolve(host)
    answers.delete(host)
    answers.set(host, { ips, until: clock.now() + keepMs })
    // A failure is shared by those who wait for it and then forgotten.
    ips.catch(() => {
      if (answers.get(host)?.ips === ips) answers.delete(host)
    })
    const [oldest] = answers.keys()
    if (answers.size > NAME_LIMIT && oldest !== undefined) answers.delete(oldest)
    return ips
  }
}

async function resolve(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true, verbatim: true })
  return found.map(entry => entry.address)
}
