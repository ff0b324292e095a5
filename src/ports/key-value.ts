// Small values with a time to live. May be stale and may forget; forgetting is never wrong, only slower.

export interface KeyValue {
  get(key: string): Promise<string | null>
  set(key: string, value: string, ttlSeconds: number): Promise<void>
  /** Deleting what is not there is no error. */
  delete(key: string): Promise<void>
}
