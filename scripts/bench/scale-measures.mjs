// What a server asks its catalog, each measured as it is asked: one call after the other, medians and the slowest
// hundredth, in milliseconds.

import { createCatalog, migrate } from '../../src/catalog/catalog.ts'
import { createDirectory } from '../../src/repositories/directory.ts'
import { percentile } from './report.mjs'

const page = 100
const collected = 500
const clock = { now: Date.now, sleep: () => new Promise(() => {}) }
const quiet = { debug() {}, info() {}, warn() {}, error() {}, line() {}, flush() {} }
const settings = {
  current: () => ({ repositories: new Map(), warnings: [] }),
  origin: 'the benchmark',
  fault: () => null,
  subscribe: () => () => {},
  reload: async () => {},
}

/** `open`: the database as a process that starts has it. */
export async function measure(open, size) {
  const startedAt = performance.now()
  const opened = open()
  const catalog = createCatalog(opened.database, clock)
  await migrate(opened.database)
  await createDirectory({ settings, catalog, broadcast: null, clock, log: quiet }).ready()
  const start = performance.now() - startedAt
  try {
    return [
      { what: 'start: migrate and directory, ms', value: start },
      ...(await lookups(opened.database, catalog, size)),
      ...(await pages(catalog)),
      ...(await writing(catalog)),
      ...(await collecting(catalog)),
      { what: 'memory of the process, MB', value: process.memoryUsage().rss / 1e6 },
    ]
  } finally {
    await opened.close()
  }
}

async function lookups(database, catalog, size) {
  const found = await sample(database, size)
  const find = times(2000, i => catalog.find(found[i % found.length].repository, found[i % found.length].key))
  const miss = times(1000, i => catalog.find('large', `packages/${i}/nothing`))
  return [...lines('lookup by key', await find, true), ...lines('lookup of nothing', await miss, true)]
}

async function pages(catalog) {
  const middle = (await catalog.list('large', { prefix: 'packages/e', limit: 1 }))[0].key
  return [
    ...lines('listing, first page', await times(60, () => catalog.list('large', { limit: page }))),
    ...lines(
      'listing, deep page',
      await times(60, () => catalog.list('large', { after: middle, limit: page })),
    ),
    ...lines(
      'listing, with a prefix',
      await times(60, i =>
        catalog.list('large', { prefix: `packages/${(16 + i).toString(16)}/`, limit: page }),
      ),
    ),
    ...lines('least used of all', await times(60, () => catalog.leastUsed(null, page))),
    ...lines('least used of one repository', await times(60, () => catalog.leastUsed('r7', page))),
    ...lines('blobs to verify', await times(60, () => catalog.leastVerified(Number.MAX_SAFE_INTEGER, page))),
    ...lines('usage', await times(60, () => catalog.usage())),
  ].filter(({ what }) => what.endsWith('p50, ms'))
}

async function writing(catalog) {
  const rows = await catalog.list('large', { limit: 500 })
  const keep = await times(200, i => catalog.keep({ ...rows[i], storedAt: Date.now() }))
  const touch = await times(5, async () => {
    for (const row of rows) catalog.touch(row)
    await catalog.flushTouches()
  })
  return [
    ...lines('keeping an object', keep, true),
    { what: 'writing down 500 uses, p50, ms', value: percentile(touch, 0.5) },
  ]
}

/** As the collector does it, without the bytes. */
async function collecting(catalog) {
  const until = Number.MAX_SAFE_INTEGER
  const sum = await times(5, () => catalog.condemnedSum(until))
  const found = await times(20, () => catalog.condemned(until, collected))
  const blobs = await catalog.condemned(until, collected)
  const startedAt = performance.now()
  for (const blob of blobs) if (await catalog.claim(blob)) await catalog.drop(blob)
  const each = (performance.now() - startedAt) / blobs.length
  return [
    { what: `collector, page of ${collected}, p50, ms`, value: percentile(found, 0.5) },
    { what: 'collector, claim and drop of each, ms', value: each },
    { what: 'sum of all condemned (2 % of blobs), p50, ms', value: percentile(sum, 0.5) },
  ]
}

/** Objects from everywhere. */
async function sample(database, size) {
  const found = []
  for (let i = 0; i < 20; i += 1) {
    const n = 1_767_225_600_000 + Math.floor((i * size) / 20)
    const rows = await database.query(
      'select repository, key from objects where stored_at >= $1 and stored_at < $2',
      [n, n + 50],
    )
    found.push(...rows)
  }
  return found.map((_, i) => found[(i * 7919) % found.length])
}

async function times(count, work) {
  // Plans are made, and pages read, by the first ones.
  for (let i = 0; i < Math.min(count, 10); i += 1) await work(i)
  const measured = []
  for (let i = 0; i < count; i += 1) {
    const startedAt = performance.now()
    await work(i)
    measured.push(performance.now() - startedAt)
  }
  return measured
}

function lines(what, measured, isLookup = false) {
  return [
    { what: `${what}, p50, ms`, value: percentile(measured, 0.5), isLookup },
    { what: `${what}, p99, ms`, value: percentile(measured, 0.99) },
  ]
}
