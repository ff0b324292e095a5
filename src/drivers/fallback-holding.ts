// A lease that is held in one of two places, or in both while it moves. Its token stays what it was where it was
// taken first, so in the other place the token travels in the note.

import type { HeldLease, LeaseHolder } from '../ports/lease.ts'

export interface Holding {
  readonly name: string
  readonly note: string
  readonly token: number
  /** In elapsed milliseconds, and never later than where it is held. */
  until: number
  far: HeldLease | null
  /** False when it may have been lost there since, or was never held there. */
  isFarSure: boolean
  near: HeldLease | null
  /** Released or lost: it is never held again. */
  isOver: boolean
  /** One after the other, whatever is done with it. */
  run<T>(work: () => Promise<T>): Promise<T>
}

type Begun = Pick<Holding, 'name' | 'note' | 'token' | 'until' | 'far' | 'near'>

export function createHolding(begun: Begun): Holding {
  let last: Promise<unknown> = Promise.resolve()
  return {
    ...begun,
    isFarSure: begun.far !== null,
    isOver: false,
    run(work) {
      const next = last.then(work)
      last = next.catch(() => {})
      return next
    },
  }
}

/** The note under which it is taken in the other place. */
export function carriedNote({ token, note }: LeaseHolder): string {
  return `>${token} ${note}`
}

/** A holder as it was where the lease was taken first. `toToken` is for those who were first where it was found. */
export function readHolder(
  found: LeaseHolder | null,
  toToken: (token: number) => number,
): LeaseHolder | null {
  if (found === null) return null
  const [, token, note = ''] = /^>(\d+) ([\s\S]*)$/.exec(found.note) ?? []
  return token === undefined
    ? { token: toToken(found.token), note: found.note }
    : { token: Number(token), note }
}
