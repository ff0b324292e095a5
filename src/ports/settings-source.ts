// Where the repositories of the configuration file come from, and how a change of it is heard.

import type { Settings } from '../model/repository.ts'

export interface SettingsSource {
  /** What holds now. */
  current(): Settings
  /** Where it came from, for messages: a path, or `starter set`. */
  readonly origin: string
  /** The reason the newest version was refused, while an older one holds; null when all is well. */
  fault(): string | null
  /** Calls `listener` after every change. Returns the way to stop. */
  subscribe(listener: () => void): () => void
  /** Reads it again now. A version that does not validate changes nothing but `fault`. */
  reload(): Promise<void>
}
