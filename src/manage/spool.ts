// Lines put aside where there is room, and read back once: more than memory should hold.

import { Problem } from '../model/problem.ts'
import type { BlobStore, Stage } from '../ports/blob-store.ts'

const WRITE_BYTES = 256 * 1024
const READ_BYTES = 256 * 1024

export interface Spool {
  add(line: string): Promise<void>
  /** All lines, in their order. */
  lines(): AsyncGenerator<string>
  /** Gives the room back. */
  close(): Promise<void>
}

/** `room` must be able to read back what it is staging. */
export async function createSpool(room: Pick<BlobStore, 'stage'>): Promise<Spool> {
  const stage = await room.stage({ isScratch: true })
  const encoder = new TextEncoder()
  let pending = ''

  async function flush(): Promise<void> {
    const bytes = encoder.encode(pending)
    pending = ''
    if (bytes.byteLength > 0) await stage.write(bytes)
  }

  return {
    async add(line) {
      pending += `${line}\n`
      if (pending.length >= WRITE_BYTES) await flush()
    },
    async *lines() {
      await flush()
      const decoder = new TextDecoder()
      let rest = ''
      for (let offset = 0; ; ) {
        const bytes = await readBack(stage, offset)
        if (bytes.byteLength === 0) return
        offset += bytes.byteLength
        const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
        rest = lines.pop() ?? ''
        yield* lines
      }
    },
    async close() {
      await stage.discard()
      await stage.close?.()
    },
  }
}

function readBack(stage: Stage, offset: number): Promise<Uint8Array> {
  if (stage.read === undefined)
    throw new Problem('internal', 'Cannot put rows aside: the room for them cannot be read')
  return stage.read(offset, READ_BYTES)
}
