// What one process says to another about a flight, as a row of frames: one byte that tells the kind, four that tell
// the length, and the content. A row that stops before its last frame is broken off, however its connection ended.

import { Problem, type ProblemCode, type ProblemDetail, toProblem } from './problem.ts'

export type FrameKind =
  /** JSON: what the flight brings. */
  | 'landing'
  /** Bytes of the body, in order. */
  | 'body'
  /** The sender lives; nothing else is known yet. */
  | 'pulse'
  /** JSON, the last frame: what was kept, or null. */
  | 'done'
  /** JSON, the last frame: why it failed. */
  | 'failure'

export interface Frame {
  readonly kind: FrameKind
  readonly content: Uint8Array
}

const KINDS: readonly FrameKind[] = ['landing', 'body', 'pulse', 'done', 'failure']
const HEAD_BYTES = 5
/** More than any sender puts into one. */
const LIMIT_BYTES = 64 * 1024 * 1024

/** The frame's own bytes, to be sent before `content`. */
export function frameHead(kind: FrameKind, contentBytes: number): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES)
  head[0] = KINDS.indexOf(kind)
  new DataView(head.buffer).setUint32(1, contentBytes)
  return head
}

export function jsonFrame(kind: FrameKind, value: unknown): Uint8Array {
  const content = new TextEncoder().encode(JSON.stringify(value))
  const frame = new Uint8Array(HEAD_BYTES + content.byteLength)
  frame.set(frameHead(kind, content.byteLength))
  frame.set(content, HEAD_BYTES)
  return frame
}

export function readJson(frame: Frame): unknown {
  return JSON.parse(new TextDecoder().decode(frame.content))
}

/** Takes bytes as they come and gives frames: of a body piece by piece, of all others whole. */
export class FrameReader {
  #kind: FrameKind | null = null
  #missing = 0
  #pieces: Uint8Array[] = []
  #head = new Uint8Array(HEAD_BYTES)
  #headBytes = 0

  take(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = []
    for (let at = 0; at < chunk.byteLength; ) {
      if (this.#kind === null) {
        const some = chunk.subarray(at, at + HEAD_BYTES - this.#headBytes)
        this.#head.set(some, this.#headBytes)
        this.#headBytes += some.byteLength
        at += some.byteLength
        if (this.#headBytes === HEAD_BYTES) this.#begin()
      } else {
        const some = chunk.subarray(at, at + this.#missing)
        this.#missing -= some.byteLength
        at += some.byteLength
        if (this.#kind === 'body') frames.push({ kind: 'body', content: some })
        else this.#pieces.push(some)
      }
      if (this.#kind !== null && this.#missing === 0) {
        const kind: FrameKind = this.#kind
        this.#kind = null
        if (kind !== 'body') frames.push({ kind, content: join(this.#pieces.splice(0)) })
      }
    }
    return frames
  }

  #begin(): void {
    const kind = KINDS[this.#head[0] ?? 0xff]
    const bytes = new DataView(this.#head.buffer).getUint32(1)
    if (kind === undefined || bytes > LIMIT_BYTES)
      throw new Problem('peer-lost', 'Cannot follow a flight: what another process sends makes no sense')
    this.#kind = kind
    this.#missing = bytes
    this.#headBytes = 0
  }
}

/** A Problem by its parts: thrown across as it is it would arrive without its code. */
export interface SaidProblem {
  readonly code: ProblemCode
  readonly message: string
  readonly detail: ProblemDetail
}

export function sayProblem(error: unknown): SaidProblem {
  const { code, message, detail } = toProblem(error, 'internal', 'Cannot fly')
  return { code, message, detail }
}

export function hearProblem({ code, message, detail }: SaidProblem): Problem {
  return new Problem(code, message, detail)
}

function join(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces
  if (pieces.length === 1 && only !== undefined) return only
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0))
  let offset = 0
  for (const piece of pieces) {
    whole.set(piece, offset)
    offset += piece.byteLength
  }
  return whole
}
