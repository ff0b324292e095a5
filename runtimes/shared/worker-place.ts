// Which of several processes this is, when WORKERS is more than one: told by the process that started it.

import process from 'node:process'
import type { Sibling } from '../../src/ports/peers.ts'

const VARIABLE = 'ARTIFACTAPI_WORKER'

export interface WorkerPlace {
  /** From 0. */
  readonly index: number
  readonly count: number
}

/** Null for a process that serves alone, and for the one that starts the others. */
export function currentPlace(): WorkerPlace | null {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(process.env[VARIABLE] ?? '') ?? []
  return index === undefined ? null : { index: Number(index), count: Number(count) }
}

export function environmentOf({ index, count }: WorkerPlace): Record<string, string> {
  return { [VARIABLE]: `${index}/${count}` }
}

/** What a worker says when it serves, and what the one that started it tells all of them then. */
export type WorkerMessage =
  | { readonly serving: { readonly index: number; readonly address: string } }
  | { readonly workers: readonly (string | null)[] }

export function isWorkerMessage(value: unknown): value is WorkerMessage {
  return typeof value === 'object' && value !== null && ('serving' in value || 'workers' in value)
}

/** The others that serve the same address, as they are known by now. */
export function watchSiblings({ index }: WorkerPlace): () => readonly Sibling[] {
  let siblings: readonly Sibling[] = []
  process.on('message', value => {
    if (!isWorkerMessage(value) || !('workers' in value)) return
    siblings = value.workers.flatMap((address, worker) =>
      address === null || worker === index ? [] : [{ worker: String(worker), address }],
    )
  })
  return () => siblings
}

export function tellServing({ index }: WorkerPlace, address: string): void {
  process.send?.({ serving: { index, address } } satisfies WorkerMessage)
}
