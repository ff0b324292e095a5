// What values, leases and messages ask of Redis, whichever client carries it. All keys and channels are ours alone,
// below one prefix: a Redis may be shared with other programs, and with other installations of this one.

export interface RedisOptions {
  /** `redis://`, `rediss://`; `https://` for Upstash. */
  readonly url: string
  /** Of an `https://` URL. */
  readonly token?: string
  /** PEM text of an authority trusted besides the usual ones. */
  readonly ca?: string
}

/** Every call has an end, and fails with `values-broken`; then it is not known whether Redis did what was asked. */
export interface RedisCommands {
  get(key: string): Promise<string | null>
  set(key: string, value: string, ttlMs: number): Promise<void>
  delete(key: string): Promise<void>
  /** Runs a Lua script, with nobody in between. It may run twice when its answer was lost. */
  evaluate(
    script: string,
    keys: readonly string[],
    values: readonly string[],
  ): Promise<string | number | null>
  publish(channel: string, message: string): Promise<void>
}

/** A connection of its own that hears one channel; it is made anew whenever it is lost. */
export interface RedisHearing {
  /** Fails when the server is silent. */
  ping(): Promise<void>
  /** Drops the connection, and makes another. */
  reset(): void
  close(): void
}

export interface RedisHearer {
  /** Messages come from now on; what was sent before is missed. */
  begun(): void
  /** Nothing comes any more. */
  ended(): void
  message(message: string): void
}

/** Told of every change: null = connected, else why not. */
export type LinkListener = (fault: string | null) => void

export interface RedisConnection {
  /** For messages: `Redis 10.0.0.5:6379`. */
  readonly name: string
  readonly commands: RedisCommands
  /** Where the client can tell by itself that it is cut off; returns the way to stop. */
  watch?(listener: LinkListener): () => void
  /** Where the client can hear messages, and tells when it cannot. */
  hear?(channel: string, hearer: RedisHearer): RedisHearing
  /** Twice is once. */
  close(): Promise<void>
}

export function toPrefix(namespace: string): string {
  return `artifactapi:${namespace}:`
}

/** The whole milliseconds of a time to live; Redis knows no shorter one. */
export function toTtlMs(ttlSeconds: number): number {
  return Math.max(1, Math.ceil(ttlSeconds * 1000))
}
