// The one error of the house. A closed set of codes, one table to statuses; a message says the action
// that failed and the value: "Cannot keep npm/left-pad: digest is sha256:aa… but sha256:bb… was expected".

export const STATUS_OF_PROBLEM = {
  'bad-request': 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  gone: 410,
  'method-not-allowed': 405,
  conflict: 409,
  'too-large': 413,
  'uri-too-long': 414,
  'range-not-satisfiable': 416,
  unprocessable: 422,
  'digest-mismatch': 400,
  'length-mismatch': 400,
  'settings-invalid': 422,
  'upstream-unreachable': 502,
  'upstream-timeout': 504,
  'upstream-broken': 502,
  'upstream-status': 502,
  'upstream-denied': 502,
  'upstream-busy': 503,
  'store-full': 507,
  'store-broken': 500,
  'database-busy': 503,
  'database-broken': 500,
  'values-broken': 503,
  cancelled: 499,
  /** Another process that brought something is gone. */
  'peer-lost': 502,
  'not-built': 501,
  internal: 500,
} as const

export type ProblemCode = keyof typeof STATUS_OF_PROBLEM

/** Small facts for logs and problem+json. Never a secret. */
export type ProblemDetail = Readonly<Record<string, string | number | boolean | null | readonly string[]>>

export class Problem extends Error {
  readonly code: ProblemCode
  readonly detail: ProblemDetail

  constructor(code: ProblemCode, message: string, detail: ProblemDetail = {}, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'Problem'
    this.code = code
    this.detail = detail
  }

  get status(): number {
    return STATUS_OF_PROBLEM[this.code]
  }

  /** True when the origin, or who brought it, could not be reached, broke off or is left alone: what a stale copy may stand in for. */
  get isUnreachable(): boolean {
    return this.isFailedContact || this.code === 'upstream-busy' || this.code === 'peer-lost'
  }

  /** True when the origin was tried and could not be reached, or broke off. */
  get isFailedContact(): boolean {
    return (
      this.code === 'upstream-unreachable' ||
      this.code === 'upstream-timeout' ||
      this.code === 'upstream-broken'
    )
  }
}

/** Whatever was thrown, as a Problem; what is not one already becomes `code` with the cause kept. */
export function toProblem(error: unknown, code: ProblemCode, action: string): Problem {
  if (error instanceof Problem) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new Problem(code, `${action}: ${reason}`, {}, { cause: error })
}
