// Short messages to the other processes that share the stores. They may be lost; who depends on them hears of gaps.

export interface Broadcast {
  /** Tells all other processes, in the order of the calls. Never waits and never fails: what cannot be sent is a gap for those who listen. */
  publish(topic: string, message: string): void
  /**
   * Hears what others publish, never what this process does. `onGap` is called whenever messages may have been missed:
   * at the latest when the connection is back, and before the first message after it. Returns the way to stop.
   */
  subscribe(topic: string, onMessage: (message: string) => void, onGap: () => void): () => void
  /** False while messages cannot arrive. */
  isConnected(): boolean
  /** Twice is once. */
  close(): Promise<void>
}
