export interface Pattern {
  /** As written in the configuration. */
  readonly source: string
  /** Searched anywhere in the path. */
  test(path: string): boolean
}
