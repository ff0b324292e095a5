// Many clients in one process, on raw sockets: crowd.mjs URL CLIENTS STAGGER_MS HASHED SHA256 BYTES
// Counts every byte of every client, and hashes those of the first HASHED; prints one JSON object at the end.

import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const [url, clients, staggerMs, hashed, sha256, size] = process.argv.slice(2)
const { hostname, port, pathname, host } = new URL(url)

async function main() {
  const startedAt = performance.now()
  const running = []
  for (let number = 0; number < Number(clients); number += 1) {
    running.push(download(number < Number(hashed)))
    if (Number(staggerMs) > 0) await sleep(Number(staggerMs))
  }
  const results = await Promise.all(running)
  const faults = results.filter(result => result.fault !== null)
  console.log(
    JSON.stringify({
      seconds: (performance.now() - startedAt) / 1000,
      good: results.length - faults.length,
      faults: [...new Set(faults.map(result => result.fault))],
      firstByteMs: results.map(result => result.firstByteMs),
      clientSeconds: results.map(result => result.seconds),
      bytes: results.reduce((sum, result) => sum + result.bytes, 0),
    }),
  )
}

function download(isHashed) {
  return new Promise(resolve => {
    const startedAt = performance.now()
    const hash = isHashed ? createHash('sha256') : null
    let head = ''
    let body = null
    let firstByteMs = null
    const finish = fault => {
      socket.destroy()
      const hex = fault === null && hash ? hash.digest('hex') : sha256
      resolve({
        fault: hex === sha256 ? fault : 'wrong bytes',
        firstByteMs,
        seconds: (performance.now() - startedAt) / 1000,
        bytes: body?.bytes ?? 0,
      })
    }
    const take = chunk => {
      let rest = chunk
      if (!body) {
        head += chunk.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        if (!/^HTTP\/1\.1 200 /.test(head)) return finish(head.split('\r\n')[0])
        rest = Buffer.from(head.slice(end + 4), 'latin1')
        body = createBody(head.slice(0, end), hash)
      }
      if (rest.length === 0) return
      body.write(rest)
      if (firstByteMs === null && body.bytes > 0) firstByteMs = performance.now() - startedAt
      if (body.isDone()) finish(body.bytes === Number(size) ? null : `${body.bytes} bytes`)
    }
    // One buffer for each socket: no allocation for each read, which would be measured as well.
    const buffer = Buffer.allocUnsafe(256 << 10)
    const onread = {
      buffer,
      callback: (length, bytes) => {
        take(bytes.subarray(0, length))
        return true
      },
    }
    const socket = connect({ host: hostname, port: Number(port), onread }, () => {
      socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nAccept-Encoding: identity\r\n\r\n`)
    })
    socket.on('error', error => finish(error.message))
    socket.on('close', () => finish(`closed after ${body?.bytes ?? 0} bytes`))
  })
}

/** Counts and hashes a body of known length or in chunks. */
function createBody(head, hash) {
  const length = /^content-length: *(\d+)/im.exec(head)
  if (!length) return createChunkedBody(hash)
  return {
    bytes: 0,
    write(chunk) {
      this.bytes += chunk.length
      hash?.update(chunk)
    },
    isDone() {
      return this.bytes >= Number(length[1])
    },
  }
}

function createChunkedBody(hash) {
  let line = ''
  let left = 0
  let isEnd = false
  return {
    bytes: 0,
    write(chunk) {
      let at = 0
      while (at < chunk.length && !isEnd) {
        if (left > 0) {
          const part = chunk.subarray(at, at + left)
          this.bytes += part.length
          hash?.update(part)
          left -= part.length
          at += part.length
          continue
        }
        const lineEnd = chunk.indexOf(10, at)
        line += chunk.toString('latin1', at, lineEnd < 0 ? chunk.length : lineEnd + 1)
        at = lineEnd < 0 ? chunk.length : lineEnd + 1
        if (!line.endsWith('\n')) continue
        // The line end after each chunk is an empty line here.
        if (line !== '\r\n') {
          left = Number.parseInt(line, 16)
          isEnd = left === 0
        }
        line = ''
      }
    },
    isDone: () => isEnd,
  }
}

await main()
