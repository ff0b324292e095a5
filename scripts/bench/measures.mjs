// The measurements, each a function of the stage: servers, origin, how long and how often. Each answers rows of
// the table. Rounds alternate between the two sides, so that a machine that gets slower slows both.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sha256Of } from './content.mjs'
import { freePort, launch, loadCore, run, serverCore } from './processes.mjs'
import { median, number, percentile } from './report.mjs'
import { startArtifactapi } from './servers.mjs'

export const million = 1e6
let serial = 0

/** A path no one asked for yet: `rate` in MB/s, 0 = unlimited. */
export function freshPath(rate, bytes) {
  serial += 1
  return `/${rate}/${bytes}/object-${serial}.bin`
}

/** wrk over three sizes. */
export async function hits(stage) {
  const rows = []
  for (const [title, bytes, goal] of [
    ['1 KB', 1_000, 1.0],
    ['10 KB', 10_000, 1.0],
    ['100 KB', 100_000, 0.8],
  ]) {
    const [ours, theirs] = await measureHits(stage, stage.servers, bytes)
    const ratio = ours.perSecond / theirs.perSecond
    const isReached = ratio >= goal
    rows.push(
      {
        what: `hits ${title}, requests/s`,
        ours: number(ours.perSecond),
        other: number(theirs.perSecond),
        ratio,
        goal: `≥ ${goal.toFixed(1)}`,
        isReached,
      },
      {
        what: `hits ${title}, p99 ms`,
        ours: number(ours.p99, 2),
        other: number(theirs.p99, 2),
        ratio: ours.p99 / theirs.p99,
      },
      {
        what: `hits ${title}, CPU µs a request`,
        ours: number(ours.cpu, 1),
        other: number(theirs.cpu, 1),
        ratio: ours.cpu / theirs.cpu,
      },
    )
  }
  return rows
}

/** Hits of a fresh object of this size at each of the servers, in turn. */
export async function measureHits(stage, servers, bytes) {
  const path = freshPath(0, bytes)
  for (const server of servers) await warm(stage, server, path, bytes)
  const originGets = await stage.origin.gets(path)
  const results = new Map(servers.map(server => [server, []]))
  for (let round = 0; round < stage.rounds; round += 1) {
    for (const server of servers) {
      await wrk(server, path, 1)
      results.get(server).push(await wrk(server, path, stage.seconds))
    }
  }
  if ((await stage.origin.gets(path)) !== originGets)
    throw new Error(`Hits of ${bytes} bytes went to the origin`)
  return servers.map(server => summary(results.get(server)))
}

function summary(results) {
  return {
    perSecond: median(results.map(result => result.perSecond)),
    p99: median(results.map(result => result.p99)),
    cpu: median(results.map(result => result.cpu)),
  }
}

async function wrk(server, path, seconds) {
  const cpuBefore = server.cpuSeconds()
  const text = await run(loadCore, ['wrk', '-t1', '-c64', `-d${seconds}s`, '--latency', server.url(path)])
  const cpu = server.cpuSeconds() - cpuBefore
  const trouble = /Non-2xx.*|Socket errors.*/.exec(text)
  if (trouble) throw new Error(`${server.name} under wrk: ${trouble[0]}`)
  const requests = Number(/(\d+) requests in/.exec(text)[1])
  const [, amount, unit] = /99%\s+([\d.]+)(us|ms|s)/.exec(text)
  const p99 = Number(amount) * { us: 0.001, ms: 1, s: 1000 }[unit]
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)[1]),
    p99,
    cpu: (cpu / requests) * million,
  }
}

/** Whole file over, checked; then once more, so that it is a hit in memory. */
async function warm(stage, server, path, bytes) {
  const sha256 = sha256Of(path, bytes)
  for (let time = 0; time < 3; time += 1)
    await crowd(stage, server.url(path), { clients: 1, hashed: 1, sha256, bytes })
}

async function crowd(stage, url, { clients, staggerMs = 0, hashed = 0, sha256 = '', bytes }) {
  const args = [url, clients, staggerMs, hashed, sha256, bytes].map(String)
  const result = JSON.parse(await run(loadCore, [stage.node, stage.crowd, ...args]))
  if (result.good !== clients)
    throw new Error(
      `${clients - result.good} of ${clients} clients of ${url} failed: ${result.faults.join(', ')}`,
    )
  return result
}

async function curl(url) {
  const format = '%{http_code} %{size_download} %{time_starttransfer} %{time_total}'
  const text = await run(loadCore, ['curl', '-sS', '-o', '/dev/null', '-w', format, url])
  const [status, bytes, firstByte, total] = text.trim().split(' ').map(Number)
  if (status !== 200) throw new Error(`${url}: status ${status}`)
  return { bytes, firstByteMs: firstByte * 1000, seconds: total }
}

/** A large hit. */
export async function download(stage) {
  const bytes = stage.isQuick ? 100 * million : 500 * million
  const path = freshPath(0, bytes)
  for (const server of stage.servers) await warm(stage, server, path, bytes)
  const results = new Map(stage.servers.map(server => [server, []]))
  for (let round = 0; round < stage.rounds; round += 1) {
    for (const server of stage.servers) {
      const cpuBefore = server.cpuSeconds()
      const runs = []
      for (let time = 0; time < 4; time += 1) runs.push(await curl(server.url(path)))
      if (runs.some(one => one.bytes !== bytes))
        throw new Error(`${server.name} sent ${runs[0].bytes} of ${bytes} bytes`)
      const seconds = runs.reduce((sum, one) => sum + one.seconds, 0)
      const gigabytes = (bytes * runs.length) / 1e9
      results
        .get(server)
        .push({ rate: (gigabytes * 1000) / seconds, cpu: (server.cpuSeconds() - cpuBefore) / gigabytes })
    }
  }
  const [ours, theirs] = stage.servers.map(server => ({
    rate: median(results.get(server).map(result => result.rate)),
    cpu: median(results.get(server).map(result => result.cpu)),
  }))
  const ratio = ours.rate / theirs.rate
  const title = `${bytes / million} MB hit`
  return [
    {
      what: `${title}, MB/s`,
      ours: number(ours.rate),
      other: number(theirs.rate),
      ratio,
      goal: '≥ 0.8',
      isReached: ratio >= 0.8,
    },
    {
      what: `${title}, CPU s a GB`,
      ours: number(ours.cpu, 2),
      other: number(theirs.cpu, 2),
      ratio: ours.cpu / theirs.cpu,
    },
  ]
}

/** A cold miss beside the same download without a cache between, and beside nginx's miss. */
export async function miss(stage) {
  const bytes = stage.isQuick ? 100 * million : 500 * million
  const rows = []
  for (const rate of [125, 0]) {
    const [ours, direct, nginx] = [[], [], []]
    for (let round = 0; round < stage.rounds; round += 1) {
      direct.push(await curl(stage.origin.url(freshPath(rate, bytes))))
      const path = freshPath(rate, bytes)
      ours.push(await curl(stage.servers[0].url(path)))
      if ((await stage.origin.gets(path)) !== 1)
        throw new Error(`A cold miss made ${await stage.origin.gets(path)} requests to the origin`)
      nginx.push(await curl(stage.servers[1].url(freshPath(rate, bytes))))
    }
    if (ours.some(one => one.bytes !== bytes)) throw new Error('A cold miss was cut short')
    const title = `cold ${bytes / million} MB, origin ${rate === 0 ? 'unlimited' : `${rate} MB/s`}`
    const seconds = list => median(list.map(one => one.seconds))
    const asRate = list => number(bytes / million / seconds(list))
    const ratio = seconds(ours) / seconds(direct)
    rows.push({
      what: `${title}, s against direct`,
      ours: number(seconds(ours), 2),
      other: number(seconds(direct), 2),
      ratio,
      ...(rate > 0 && { goal: '≤ 1.05', isReached: ratio <= 1.05 }),
    })
    rows.push({
      what: `${title}, MB/s beside nginx`,
      ours: asRate(ours),
      other: asRate(nginx),
      ratio: seconds(nginx) / seconds(ours),
    })
  }
  rows.push(await diskRow(stage, bytes))
  return rows
}

/** What the disk itself takes, written and flushed: no miss that keeps its bytes can be quicker for long. */
async function diskRow(stage, bytes) {
  const file = join(stage.folder, 'disk')
  const rates = []
  for (let round = 0; round < stage.rounds; round += 1) {
    const startedAt = performance.now()
    await run(serverCore, [
      'dd',
      'if=/dev/zero',
      `of=${file}`,
      'bs=1M',
      `count=${Math.round(bytes / (1 << 20))}`,
      'conv=fsync',
    ])
    rates.push(bytes / million / ((performance.now() - startedAt) / 1000))
    rmSync(file)
  }
  return { what: 'the disk alone (dd, fsync), MB/s', ours: '', other: number(median(rates)) }
}

/** How much later than directly the first byte of a miss comes; 60 MB, from an origin held to 125 MB/s. */
export async function firstByte(stage) {
  const [ours, direct] = [[], []]
  for (let round = 0; round < (stage.isQuick ? 3 : 8); round += 1) {
    direct.push((await curl(stage.origin.url(freshPath(125, 60 * million)))).firstByteMs)
    ours.push((await curl(stage.servers[0].url(freshPath(125, 60 * million)))).firstByteMs)
  }
  const beyond = Math.max(...ours) - median(direct)
  const goal = `≤ ${stage.missWaitMs} + 10`
  return [
    {
      what: 'first byte of a miss, ms (median)',
      ours: number(median(ours), 1),
      other: number(median(direct), 1),
    },
    {
      what: 'first byte of a miss, ms beyond direct (worst)',
      ours: number(beyond, 1),
      goal,
      isReached: beyond <= stage.missWaitMs + 10,
    },
  ]
}

/** 200 clients at once on one object that nobody had. */
export async function coldCrowd(stage) {
  const bytes = stage.isQuick ? 6 * million : 30 * million
  const clients = 200
  const [server] = stage.servers
  const alone = freshPath(3, bytes)
  const single = await crowd(stage, server.url(alone), {
    clients: 1,
    hashed: 1,
    sha256: sha256Of(alone, bytes),
    bytes,
  })
  const path = freshPath(3, bytes)
  const all = await crowd(stage, server.url(path), {
    clients,
    hashed: 10,
    sha256: sha256Of(path, bytes),
    bytes,
  })
  const gets = await stage.origin.gets(path)
  const ratio = all.seconds / single.seconds
  const title = `${clients} cold clients, ${bytes / million} MB at 3 MB/s`
  return [
    { what: `${title}, origin GETs`, ours: String(gets), goal: '1', isReached: gets === 1 },
    {
      what: `${title}, s against one client`,
      ours: number(all.seconds, 2),
      other: number(single.seconds, 2),
      ratio,
      goal: '≤ 1.3',
      isReached: ratio <= 1.3,
    },
    {
      what: `${title}, first byte p99 ms`,
      ours: number(percentile(all.firstByteMs, 0.99), 1),
      other: number(single.firstByteMs[0], 1),
    },
  ]
}

/** What 50 clients of a large object cost in memory, while it is fetched and once it is kept. */
export async function memory(stage) {
  const bytes = stage.isQuick ? 200 * million : 1000 * million
  const clients = 50
  const server = await startArtifactapi(join(stage.folder, 'memory'), stage.command, stage.origin.base)
  const rows = []
  try {
    const small = freshPath(0, 1000)
    await warm(stage, server, small, 1000)
    await sleep(500)
    const path = freshPath(0, bytes)
    const sha256 = sha256Of(path, bytes)
    for (const what of ['missed', 'hit']) {
      const before = server.rssMegabytes()
      let peak = before
      const timer = setInterval(() => {
        peak = Math.max(peak, server.rssMegabytes())
      }, 50)
      const result = await crowd(stage, server.url(path), {
        clients,
        staggerMs: 20,
        hashed: 2,
        sha256,
        bytes,
      })
      clearInterval(timer)
      const rate = result.bytes / million / result.seconds
      const title = `${clients} × ${bytes / million} MB ${what}`
      rows.push(
        {
          what: `${title}, RSS growth MB`,
          ours: number(peak - before),
          other: `from ${number(before)}`,
          goal: '≤ 150',
          isReached: peak - before <= 150,
        },
        { what: `${title}, MB/s in all`, ours: number(rate) },
      )
    }
    const gets = await stage.origin.gets(path)
    rows.push({
      what: `${clients} × ${bytes / million} MB, origin GETs`,
      ours: String(gets),
      goal: '1',
      isReached: gets === 1,
    })
  } finally {
    await server.stop()
  }
  return rows
}

/** From the start of the process to the first answer, and what it holds when nobody asks. */
export async function start(stage) {
  const rows = []
  for (const [title, command, goal] of [
    ['binary', stage.binaryCommand, 0.5],
    ['source', stage.sourceCommand, 0.5],
  ]) {
    if (!existsSync(command.at(-1))) {
      rows.push({ what: `start to first answer, ${title}`, ours: 'not built' })
      continue
    }
    const seconds = []
    let idle = 0
    for (let round = 0; round < (stage.isQuick ? 2 : 5); round += 1) {
      const isLast = round === (stage.isQuick ? 1 : 4)
      const result = await startOnce(stage, command, isLast ? (stage.isQuick ? 2_000 : 6_000) : 0)
      seconds.push(result.seconds)
      idle = result.idle
    }
    const time = median(seconds)
    rows.push(
      {
        what: `start to first answer, ${title}, s`,
        ours: number(time, 3),
        goal: `≤ ${goal}`,
        isReached: time <= goal,
      },
      { what: `idle RSS, ${title}, MB`, ours: number(idle), goal: '≤ 100', isReached: idle <= 100 },
    )
  }
  return rows
}

/** In an empty folder, without a configuration. */
async function startOnce(stage, command, idleMs) {
  const port = await freePort()
  const folder = mkdtempSync(join(stage.folder, 'start-'))
  const { PATH, HOME } = process.env
  const env = { PATH, HOME, LISTEN_ADDR: `127.0.0.1:${port}` }
  const startedAt = performance.now()
  const child = launch(serverCore, command, { env, cwd: folder, log: join(folder, 'log') })
  while (!(await isAnswering(port))) {
    if (!child.isRunning() || performance.now() - startedAt > 15_000)
      throw new Error(`${command.join(' ')} did not answer`)
    await sleep(1)
  }
  const seconds = (performance.now() - startedAt) / 1000
  await sleep(idleMs)
  const idle = stage.rssOf(child.pid)
  await child.stop()
  rmSync(folder, { recursive: true, force: true })
  return { seconds, idle }
}

/** One request on a socket of its own: the first answer, whatever it costs the client to be ready for it. */
function isAnswering(port) {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.write('GET /health HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n')
    })
    socket.once('data', chunk => {
      socket.destroy()
      resolve(chunk.toString('latin1').startsWith('HTTP/1.1 200'))
    })
    socket.on('error', () => resolve(false))
    socket.on('close', () => resolve(false))
  })
}
