// The origin of the benchmark, a process of its own: /{MB per second, 0 = unlimited}/{bytes}/{name}.
// All answers of one rate share its budget, so two downloads of one object are seen in the time as well as in
// the count (`GET /counts`). Announces its port on the first line.

import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { contentOf } from './content.mjs'

const counts = {}
const budgets = new Map()
/** Later than this was no timer: the reader was slow. */
const catchUpMs = 100

const server = createServer((request, response) => {
  if (request.url === '/counts') return response.end(JSON.stringify(counts))
  const [, rate, size] = /^\/(\d+)\/(\d+)\/[\w.-]+$/.exec(request.url) ?? []
  if (size === undefined) return response.writeHead(404).end()
  if (request.method === 'GET') counts[request.url] = (counts[request.url] ?? 0) + 1
  answer(request, response, Number(rate), Number(size)).catch(() => response.destroy())
})

server.listen(0, '127.0.0.1', () => console.log(server.address().port))

async function answer(request, response, rate, size) {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  response.writeHead(from > 0 ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': size - from,
    'accept-ranges': 'bytes',
    'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT',
    etag: `"${request.url.replaceAll('/', '-')}"`,
    ...(from > 0 && { 'content-range': `bytes ${from}-${size - 1}/${size}` }),
  })
  if (request.method === 'HEAD') return response.end()
  response.flushHeaders()
  const budget = enter(rate)
  try {
    await send(response, contentOf(request.url, size, from), rate, budget)
  } finally {
    budget.answers -= 1
  }
}

async function send(response, content, rate, budget) {
  // Paced in steps of about 5 ms, so that a reader sees a flow and not blocks.
  const step = rate === 0 ? Number.POSITIVE_INFINITY : Math.max(4096, rate * 5_000)
  for (const buffer of content) {
    for (let at = 0; at < buffer.length; at += step) {
      const part = buffer.subarray(at, at + step)
      if (rate > 0) await take(budget, rate, part.length)
      if (response.destroyed) return
      if (!response.write(part)) await drained(response)
    }
  }
  response.end()
}

/** The budget of a rate, shared by its answers. It begins anew with the first of them: idle time is not saved up. */
function enter(rate) {
  const budget = budgets.get(rate) ?? { answers: 0, spentUntil: 0 }
  budgets.set(rate, budget)
  if (budget.answers === 0) budget.spentUntil = performance.now()
  budget.answers += 1
  return budget
}

/** Waits until the budget has `bytes` more. What a late timer lost is made up for, what a slow reader lost is not. */
async function take(budget, rate, bytes) {
  const now = performance.now()
  const from = Math.max(budget.spentUntil, now - catchUpMs)
  budget.spentUntil = from + bytes / (rate * 1000)
  if (from > now + 1) await sleep(from - now)
}

function drained(response) {
  return new Promise(resolve => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}
