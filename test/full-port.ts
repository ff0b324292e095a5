// A port that lets nobody in: it listens, its queue is full, and whoever connects waits for ever.

import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

/** A thread that listens and then stands still, so that the kernel's queue is never emptied. */
const LISTENER = `
  const { parentPort } = require('node:worker_threads')
  const server = require('node:net').createServer()
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60000), 20)
  })
`

export async function openFullPort(): Promise<{ port: number; close(): Promise<unknown> }> {
  const worker = new Worker(LISTENER, { eval: true })
  const port = await new Promise<number>(resolve => worker.once('message', resolve))
  await delay(100)
  const sockets: Socket[] = []
  // As many as it takes: not every runtime lets a listener say how long its queue is.
  for (let isFull = false; !isFull && sockets.length < 8_000; ) {
    let opened = 0
    for (let i = 0; i < 64; i++) {
      const socket = connect(port, '127.0.0.1', () => opened++)
      socket.on('error', () => {})
      sockets.push(socket)
    }
    await delay(200)
    isFull = opened < 64
  }
  return {
    port,
    async close() {
      for (const socket of sockets) socket.destroy()
      await worker.terminate()
    },
  }
}
