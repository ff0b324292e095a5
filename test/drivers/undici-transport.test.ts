import { describe } from 'vitest'
import { describeTransport } from '../contracts/transport.ts'

// Bun puts a module of its own in the place of undici.
describe.skipIf('Bun' in globalThis)('on Node', () => {
  describeTransport('undici', async () => {
    const { createUndiciTransport } = await import('../../runtimes/shared/undici-transport.ts')
    return createUndiciTransport()
  })
})
