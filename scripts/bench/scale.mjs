// npm run bench -- scale: what the catalog costs with ten thousand, a hundred thousand and a million objects, in Postgres
// and in SQLite. It is asked through the same functions as a server does, from one process, one call at a time; so read
// how the figures of one line grow, not the figures. The servers are throwaway, and nothing stays.
//
//   --sizes=10000,100000,1000000
//   --only=postgres,sqlite

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createSqliteDatabase } from '../../runtimes/shared/sqlite-database.ts'
import { migrate } from '../../src/catalog/catalog.ts'
import { hasPostgres, openPostgres, POSTGRES_NEEDS, startPostgres } from '../../test/services/postgres.ts'
import { number } from './report.mjs'
import { measure } from './scale-measures.mjs'
import { seedPostgres, seedSqlite } from './scale-seeds.mjs'

/** From 10 thousand to a million the logarithm grows by half; the rest is noise, and pages that no longer fit a cache. */
const mostGrowth = 2
/** Below this a figure says nothing about growth. */
const noiseMs = 0.3

const products = { postgres: openPostgresScale, sqlite: openSqliteScale }

export async function scale(args) {
  const { values: options } = parseArgs({
    args,
    options: {
      sizes: { type: 'string', default: '10000,100000,1000000' },
      only: { type: 'string', default: Object.keys(products).join(',') },
    },
  })
  const sizes = options.sizes.split(',').map(Number)
  const results = []
  for (const name of options.only.split(',')) {
    const product = await products[name]()
    try {
      results.push({ product: product.name, bySize: await measureAll(product, sizes) })
    } finally {
      await product.close()
    }
  }
  const faults = results.flatMap(result => print(result, sizes))
  for (const fault of faults) console.log(fault)
  return faults.length === 0 ? 0 : 1
}

async function measureAll(product, sizes) {
  const first = product.open()
  await migrate(first.database)
  await first.close()
  const bySize = []
  let before = 0
  for (const size of sizes) {
    console.error(`${product.name}: ${number(size)} objects …`)
    await product.seed(before, size)
    before = size
    bySize.push(await measure(product.open, size))
  }
  return bySize
}

async function openPostgresScale() {
  if (!hasPostgres()) throw new Error(`The benchmark ${POSTGRES_NEEDS}`)
  const server = await startPostgres(['shared_buffers = 256MB', 'max_wal_size = 4GB'])
  const options = server.options({ schema: 'artifactapi', connections: 4 })
  return {
    name: 'Postgres',
    open: () => openPostgres(options),
    seed: (from, to) => seedPostgres(server, options.schema, from, to),
    close: () => server.stop(),
  }
}

async function openSqliteScale() {
  const folder = mkdtempSync(join(tmpdir(), 'artifactapi-scale-'))
  const path = join(folder, 'catalog.db')
  return {
    name: 'SQLite',
    open() {
      const database = createSqliteDatabase({ path })
      return { database, close: () => database.close() }
    },
    seed: (from, to) => seedSqlite(path, from, to),
    close: () => rmSync(folder, { recursive: true }),
  }
}

/** Prints the table of one product; answers what grows too much. */
function print({ product, bySize }, sizes) {
  const titles = bySize[0].map(({ what }) => what)
  const width = Math.max(...titles.map(title => title.length), product.length)
  const columns = [...sizes.map(size => number(size)), 'growth']
  const line = (title, cells) =>
    console.log(`| ${title.padEnd(width)} | ${cells.map(cell => cell.padStart(10)).join(' | ')} |`)
  console.log('')
  line(product, columns)
  line(
    '-'.repeat(width),
    columns.map(() => '-'.repeat(10)),
  )
  const faults = []
  for (const [i, what] of titles.entries()) {
    const figures = bySize.map(measured => measured[i])
    const values = figures.map(({ value }) => value)
    const growth = values.at(-1) / values[0]
    line(what, [...values.map(value => number(value, value < 10 ? 2 : 0)), `x ${number(growth, 1)}`])
    if (figures[0].isLookup && growth > mostGrowth && values.at(-1) > noiseMs)
      faults.push(`SHORT: ${product}: ${what} grows ${number(growth, 1)} times`)
  }
  return faults
}
