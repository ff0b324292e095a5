import { describe, expect, it } from 'vitest'
import { Problem } from '../../src/model/problem.ts'
import { Intake } from '../../src/repositories/intake.ts'
import { createStoreRoom } from '../../src/repositories/store-room.ts'
import { createEngine } from '../engine.ts'

describe('a body for which there is no room', () => {
  it.each([
    ['turns caching off where it was to be kept', false, undefined, false],
    ['turns caching off where it was scratch of the same disk', true, 0, false],
    ['changes nothing where it was scratch beside a store of another place', true, undefined, true],
  ])('%s', async (_title, isScratch, freeBytes, isOpen) => {
    const { services } = await createEngine()
    const room = createStoreRoom(services)
    const blobs = {
      ...services.blobs,
      stage: async () => {
        throw new Problem('store-full', 'Cannot stage body: no room')
      },
      freeBytes: freeBytes === undefined ? undefined : async () => freeBytes,
    }
    const head = { size: 10, etag: null, lastModified: null, contentType: null, contentEncoding: null }
    const parts = { services: { ...services, blobs }, catalog: {} as never, room }
    const intake = await Intake.open(parts, { name: 'r/a', head, expected: [], isScratch })
    expect([intake.isKept, room.isOpen()]).toEqual([false, isOpen])
  })
})
