// Three replicas over Postgres, Redis and Ceph RGW: what a crowd that comes from everywhere costs the origin, how soon
// the others have what one of them fetches, and what hits of one replica are worth beside the embedded store.

import { join } from 'node:path'
import { startStores } from '../../test/cluster.ts'
import { sha256Of } from './content.mjs'
import { freshPath, measureHits, million } from './measures.mjs'
import { loadCore, run } from './processes.mjs'
import { median, number } from './report.mjs'
import { startArtifactapi } from './servers.mjs'

const count = 3
const clients = 200
const rounds = 10

export async function replicas(stage) {
  const stores = await startStores()
  const started = []
  try {
    for (let index = 0; index < count; index += 1) {
      const folder = join(stage.folder, `replica-${index}`)
      const extra = { ...stores.environment, ADVERTISE_ADDR: '127.0.0.1:0' }
      started.push(await startArtifactapi(folder, stage.command, stage.origin.base, extra))
    }
    const [embedded] = stage.servers
    return [
      ...(await crowds(stage, started)),
      ...(await followers(stage, started)),
      ...(await hitsBeside(stage, started[0], embedded)),
    ]
  } finally {
    for (const replica of started) await replica.stop()
    await stores.stop()
  }
}

async function crowds(stage, started) {
  const bytes = 20 * million
  const alone = freshPath(2, bytes)
  const single = await crowd(stage, started[0].url(alone), alone, 1, bytes)
  const path = freshPath(2, bytes)
  const shares = started.map((_, index) => Math.floor((clients + index) / count))
  const startedAt = performance.now()
  const all = await Promise.all(
    started.map((replica, index) => crowd(stage, replica.url(path), path, shares[index], bytes)),
  )
  const seconds = (performance.now() - startedAt) / 1000
  const good = all.reduce((sum, each) => sum + each.good, 0)
  const gets = await stage.origin.gets(path)
  const ratio = seconds / single.wall
  const title = `${clients} cold clients of ${count} replicas, 20 MB at 2 MB/s`
  return [
    { what: `${title}, origin GETs`, ours: String(gets), goal: '1', isReached: gets === 1 },
    {
      what: `${title}, whole and right`,
      ours: String(good),
      goal: String(clients),
      isReached: good === clients,
    },
    {
      what: `${title}, s against one client`,
      ours: number(seconds, 2),
      other: number(single.wall, 2),
      ratio,
      goal: '≤ 1.3',
      isReached: ratio <= 1.3,
    },
  ]
}

/** The same object asked of all replicas at once, a fresh one each time: how long after the first of them the last has a byte. */
async function followers(stage, started) {
  const bytes = 2 * million
  const gaps = []
  for (let round = 0; round < rounds; round += 1) {
    const path = freshPath(2, bytes)
    const firsts = await Promise.all(started.map(replica => firstByteAt(replica.url(path))))
    gaps.push(Math.max(...firsts) - Math.min(...firsts))
    if ((await stage.origin.gets(path)) !== 1) throw new Error(`${path} was fetched more than once`)
  }
  const worst = Math.max(...gaps)
  return [
    {
      what: `first byte of the last of ${count} replicas after that of the first, worst of ${rounds}, ms`,
      ours: `${number(worst, 1)} (median ${number(median(gaps), 1)})`,
      goal: '≤ 200',
      isReached: worst <= 200,
    },
  ]
}

async function firstByteAt(url) {
  const answer = await fetch(url)
  const reader = answer.body.getReader()
  await reader.read()
  const at = performance.now()
  // To its end, so that the next round is not disturbed.
  while (!(await reader.read()).done);
  return at
}

async function crowd(stage, url, path, clientCount, bytes) {
  const startedAt = performance.now()
  const args = [url, clientCount, 0, Math.min(clientCount, 5), sha256Of(path, bytes), bytes]
  const result = JSON.parse(await run(loadCore, [stage.node, stage.crowd, ...args.map(String)]))
  return { ...result, wall: (performance.now() - startedAt) / 1000 }
}

async function hitsBeside(stage, replica, embedded) {
  const rows = []
  for (const [title, bytes] of [
    ['1 KB', 1_000],
    ['10 KB', 10_000],
    ['100 KB', 100_000],
    ['1 MB', million],
  ]) {
    const [ours, theirs] = await measureHits(stage, [replica, embedded], bytes)
    const ratio = ours.perSecond / theirs.perSecond
    rows.push({
      what: `hits ${title} of a replica beside embedded, requests/s`,
      ours: number(ours.perSecond),
      other: number(theirs.perSecond),
      ratio,
      goal: '≥ 0.8',
      isReached: ratio >= 0.8,
    })
  }
  return rows
}
