// What is at hand while an entry is read: its keys, what the runtime can do, and what was found wrong so far.

import type { Fault, KeyPath } from './faults.ts'
import type { Entry } from './settings-schema.ts'

export interface EntryOptions {
  /** Names of the registered formats; without it no entry is warned about. */
  readonly formats?: readonly string[]
  /** Text of a file that the configuration names. Absent: this runtime has no files. Throws when there is none. */
  readonly readFile?: (path: string) => string
  /** False where connections cannot be shaped: `ca_file` and `proxy` are faults there. */
  readonly ownsConnections?: boolean
}

export interface Reading {
  readonly name: string
  readonly path: KeyPath
  readonly entry: Entry
  readonly options: EntryOptions
  readonly faults: Fault[]
  readonly warnings: Fault[]
}
