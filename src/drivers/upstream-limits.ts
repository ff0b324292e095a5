// How long an origin may keep us waiting, and how much of it there may be at once.

export interface UpstreamLimits {
  /** Name resolution, and TCP connect, each. */
  readonly connectMs: number
  /** From the start of a hop, its connection included, to its headers. */
  readonly firstByteMs: number
  /** Between two chunks of a body while somebody waits for the next one. */
  readonly idleMs: number
  /** From the first attempt to the final headers, redirects and retries included. */
  readonly totalMs: number
  readonly redirects: number
  /** Further attempts at a hop that failed before its headers. */
  readonly retries: number
  readonly retryFromMs: number
  readonly retryToMs: number
  /** Exchanges with one origin at a time, bodies being streamed included. */
  readonly inFlight: number
  /** How long an exchange may wait for its turn. */
  readonly queueMs: number
  readonly headerLimitBytes: number
}

export const UPSTREAM_LIMITS: UpstreamLimits = {
  connectMs: 10_000,
  firstByteMs: 30_000,
  idleMs: 60_000,
  totalMs: 90_000,
  redirects: 5,
  retries: 2,
  retryFromMs: 100,
  retryToMs: 400,
  inFlight: 64,
  queueMs: 30_000,
  headerLimitBytes: 64 * 1024,
}
