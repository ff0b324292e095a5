import { describe } from 'vitest'
import type { Transport } from '../../src/ports/transport.ts'
import { describeTransport } from '../contracts/transport.ts'

// It is made of Bun's fetch, whose options no other runtime knows.
describe.skipIf(!('Bun' in globalThis))('on Bun', () => {
  describeTransport('Bun fetch', async () => {
    // By a name in a variable: it is typed with Bun's types, which this folder does not have.
    const room = '../../runtimes/bun/fetch-transport.ts'
    const { createFetchTransport }: { createFetchTransport(): Transport } = await import(room)
    return createFetchTransport()
  })
})
