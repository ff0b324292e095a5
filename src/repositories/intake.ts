// One body coming in: where it is staged, who reads it meanwhile, and how it is booked once it is kept.

import type { Catalog } from '../catalog/catalog.ts'
import type { Digest } from '../model/digest.ts'
import type { ObjectRow, OriginHead } from '../model/object.ts'
import { Problem, toProblem } from '../model/problem.ts'
import type { Committed, Stage } from '../ports/blob-store.ts'
import type { Services } from '../services.ts'
import { GrowingBody } from '../streams/growing.ts'
import { download, type Resume, RING_BYTES } from './download.ts'
import type { StoreRoom } from './store-room.ts'
import { createUnkeptStage } from './unkept-stage.ts'

/** A store with more room than this is not full, even if one body is too large for it. */
const LOW_BYTES = 64 * 1024 * 1024

export interface IntakeParts {
  readonly services: Services
  readonly catalog: Catalog
  readonly room: StoreRoom
}

export interface Incoming {
  /** It comes from another process, which keeps it: ours is for those who read here, and to go on with. */
  readonly isScratch?: boolean
  /** Repository and key, for messages. */
  readonly name: string
  readonly head: OriginHead
  readonly expected: readonly Digest[]
}

export class Intake {
  /** False when the store takes nothing now: the body is passed through. */
  readonly isKept: boolean
  readonly #parts: IntakeParts
  readonly #incoming: Incoming
  readonly #stage: Stage | null
  readonly #growing: GrowingBody
  readonly #firstByteAt: number

  static async open(parts: IntakeParts, incoming: Incoming): Promise<Intake> {
    const { services, room } = parts
    if (!room.isOpen()) return new Intake(parts, incoming, null)
    const { expected, head, name, isScratch } = incoming
    try {
      return new Intake(
        parts,
        incoming,
        await services.blobs.stage({ expected, size: head.size ?? undefined, isScratch }),
      )
    } catch (error) {
      const problem = toProblem(error, 'store-broken', `Cannot keep ${name}`)
      // Scratch that has no room beside a store of another place says nothing about that store.
      const isElsewhere = isScratch === true && services.blobs.freeBytes === undefined
      const freeBytes = problem.code === 'store-full' ? ((await services.blobs.freeBytes?.()) ?? 0) : 0
      if (freeBytes < LOW_BYTES && !isElsewhere) room.close(problem)
      else services.log.warn(`${problem.message}; it is passed through`)
      return new Intake(parts, incoming, null)
    }
  }

  private constructor(parts: IntakeParts, incoming: Incoming, stage: Stage | null) {
    const { background, clock } = parts.services
    this.#parts = parts
    this.#incoming = incoming
    this.#stage = stage
    this.isKept = stage !== null
    this.#firstByteAt = clock.now()
    const close = async () => {
      await stage?.discard()
      await stage?.close?.()
    }
    this.#growing = new GrowingBody({
      ringBytes: RING_BYTES,
      readBack: stage?.read?.bind(stage),
      willBeKept: stage !== null,
      onIdle: () => background.run('close stage', close()),
    })
  }

  /** False once the first byte is gone for newcomers. */
  get isOpen(): boolean {
    return this.#growing.canRead(0)
  }

  get arrived(): number {
    return this.#growing.visible
  }

  /** Bytes a second. */
  get rate(): number {
    const seconds = (this.#parts.services.clock.now() - this.#firstByteAt) / 1000
    return this.arrived === 0 || seconds <= 0 ? 0 : this.arrived / seconds
  }

  body(start: number, end: number | undefined): ReadableStream<Uint8Array> | null {
    return this.#growing.canRead(start) ? this.#growing.stream(start, end) : null
  }

  /** Takes the body in, to its end, and keeps it if it is ours to keep. Tells what was kept; null when nothing was. */
  receive(
    body: ReadableStream<Uint8Array>,
    resume: Resume,
    isOurs: () => boolean = () => true,
  ): Promise<Committed | null> {
    const { services, catalog, room } = this.#parts
    const { expected } = this.#incoming
    return download(
      {
        ...this.#incoming,
        body,
        growing: this.#growing,
        clock: services.clock,
        resume,
        isOurs,
        announce: ({ sha256, size }) => catalog.announce(sha256, size),
        // Books that cannot be written now say nothing about the room for bodies.
        onStoreFault: problem =>
          problem.code.startsWith('store-') ? room.close(problem) : services.log.error(problem.message),
      },
      this.#stage,
      createUnkeptStage(services.hasher, expected),
    )
  }

  /** Somebody else kept it: lets the readers end with that. */
  async adopt(row: Pick<ObjectRow, 'sha256' | 'size'> | null): Promise<void> {
    const { blobs } = this.#parts.services
    this.#growing.end(row === null ? null : await blobs.open(row.sha256, row.size))
  }

  /** Writes the books, and lets the readers end. Right bytes that cannot be booked are still served, once. */
  async complete(row: ObjectRow | null): Promise<ObjectRow | null> {
    const { services, catalog, room } = this.#parts
    if (row === null) {
      this.#growing.end(null)
      return null
    }
    room.reopen()
    let isBooked = true
    try {
      await catalog.keep(row)
    } catch (error) {
      isBooked = false
      services.log.error(`Cannot record ${this.#incoming.name}: it will be fetched again`, { error })
    }
    this.#growing.end(await services.blobs.open(row.sha256, row.size))
    return isBooked ? row : null
  }

  fail(problem: unknown): void {
    this.#growing.fail(problem)
  }
}

/** A body whose digest is wrong is the origin's fault, not the client's. */
export function blameOrigin(error: unknown, name: string): Problem {
  const problem = toProblem(error, 'internal', `Cannot fetch ${name}`)
  if (problem.code !== 'digest-mismatch') return problem
  return new Problem('upstream-broken', problem.message, problem.detail, { cause: problem })
}
