// Work that goes on after its answer was sent.

export interface Background {
  /** Keeps the runtime alive for `work`. A failure is logged under `name`. */
  run(name: string, work: Promise<unknown>): void
  /** Resolves when all of it is done. */
  settle(): Promise<void>
}
