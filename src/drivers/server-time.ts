// What time it is at a server, learnt from the `Date` of its answers. Every answer bounds the difference between its
// clock and ours (whole seconds, plus the time the answer took); the bounds of many together are narrow. While they
// allow for no difference at all, there is none: two clocks that agree stay exact to the millisecond.

import type { Clock } from '../ports/clock.ts'
import type { ServiceLink } from './service-link.ts'

export interface ServerTime {
  /** Epoch ms, by the server's clock. */
  now(): number
  /** A moment by our clock, as the server's would have shown it. */
  toServer(ms: number): number
  toOurs(ms: number): number
}

export function withServerTime(link: ServiceLink, clock: Clock): { link: ServiceLink; time: ServerTime } {
  let least = Number.NEGATIVE_INFINITY
  let most = Number.POSITIVE_INFINITY

  function learn(date: string | null, sentAt: number, receivedAt: number): void {
    const second = Date.parse(date ?? '')
    if (Number.isNaN(second)) return
    const low = second - receivedAt
    const high = second + 1000 - sentAt
    // Bounds that contradict each other: one of the clocks was set.
    const isNews = low > most || high < least
    least = isNews ? low : Math.max(low, least)
    most = isNews ? high : Math.min(high, most)
  }

  function aheadMs(): number {
    return least > 0 ? least : Math.min(most, 0)
  }

  return {
    link: {
      async send(request) {
        const sentAt = clock.now()
        const answer = await link.send(request)
        learn(answer.headers.get('date'), sentAt, clock.now())
        return answer
      },
    },
    time: {
      now: () => clock.now() + aheadMs(),
      toServer: ms => ms + aheadMs(),
      toOurs: ms => ms - aheadMs(),
    },
  }
}
