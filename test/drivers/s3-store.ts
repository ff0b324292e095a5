// An S3 store as a server would have it, over the transport of the runtime that runs the tests.

import { nodeHasher } from '../../runtimes/shared/node-hasher.ts'
import { createS3Blobs, type S3Blobs, type S3BlobsParts } from '../../src/drivers/s3-blobs.ts'
import { createServiceLink } from '../../src/drivers/service-link.ts'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import type { Resolver, Transport } from '../../src/ports/transport.ts'
import { listLog } from '../list-log.ts'

export interface S3StoreOptions extends Partial<Omit<S3BlobsParts, 'link'>> {
  readonly options: S3BlobsParts['options']
  readonly resolver?: Resolver
  /** Where what is logged goes. */
  readonly logged?: string[]
}

/** undici on Node, Bun's fetch on Bun, which puts a module of its own in the place of undici. */
export async function openTransport(): Promise<Transport> {
  if (!('Bun' in globalThis)) {
    const { createUndiciTransport } = await import('../../runtimes/shared/undici-transport.ts')
    return createUndiciTransport()
  }
  // By a name in a variable: it is typed with Bun's types, which this folder does not have.
  const room = '../../runtimes/bun/fetch-transport.ts'
  const { createFetchTransport }: { createFetchTransport(): Transport } = await import(room)
  return createFetchTransport()
}

export function openS3Store(transport: Transport, given: S3StoreOptions): S3Blobs {
  const { options, resolver = null, logged = [], clock = createSystemClock() } = given
  const link = createServiceLink({ transport, resolver, clock, ca: options.ca })
  return createS3Blobs({ hasher: nodeHasher, log: listLog(logged), ...given, link, clock })
}
