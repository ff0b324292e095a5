import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createSqliteDatabase } from '../../runtimes/shared/sqlite-database.ts'
import { describeDatabase } from '../contracts/database.ts'

describeDatabase('SQLite file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sqlite-'))
  const database = createSqliteDatabase({ path: join(folder, 'catalog.db') })
  async function close() {
    await database.close()
    rmSync(folder, { recursive: true })
  }
  return { database, close }
})

describeDatabase(
  'SQLite in memory',
  async () => {
    const database = createSqliteDatabase({ path: ':memory:' })
    return { database, close: () => database.close() }
  },
  { isSnapshotWhole: true },
)

describe('SQLite file', () => {
  it('makes its folder, and a file that only its owner reads', async () => {
    const path = join(newFolder(), 'deep', 'er', 'catalog.db')
    await open(path).query('create table t (n bigint)')
    for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('keeps rows over a restart', async () => {
    const path = join(newFolder(), 'catalog.db')
    const before = open(path)
    await before.batch([
      { sql: 'create table t (n bigint)' },
      { sql: 'insert into t values ($1)', values: [1] },
    ])
    await before.close()
    expect(await open(path).query('select n from t')).toEqual([{ n: 1 }])
  })

  it('is closed once, and refuses to work from then on', async () => {
    const database = open(join(newFolder(), 'catalog.db'))
    await database.query('select 1 as n')
    await database.close()
    await database.close()
    await expect(database.query('select 1 as n')).rejects.toMatchObject({ code: 'database-broken' })
  })

  it('binds whole numbers as integers', async () => {
    const database = open(':memory:')
    expect(await database.query('select typeof($1) as type, $1 / 2 as half', [5])).toEqual([
      { type: 'integer', half: 2 },
    ])
    expect(await database.query('select $1 as n', [0.5])).toEqual([{ n: 0.5 }])
  })

  it('fails rather than rounding an integer beyond 2^53', async () => {
    const database = open(':memory:')
    const error = database.query('select 9007199254740993 as n')
    await expect(error).rejects.toMatchObject({
      code: 'database-broken',
      message: expect.stringContaining('2^53'),
    })
    expect(await database.query('select 1 as n')).toEqual([{ n: 1 }])
  })

  it('refuses two statements in one, of which SQLite would leave out the second', async () => {
    const database = open(':memory:')
    await expect(
      database.query('create table a (n bigint); create table b (n bigint)'),
    ).rejects.toMatchObject({
      code: 'database-broken',
    })
    expect(await database.query(`select ';' as text; `)).toEqual([{ text: ';' }])
  })

  it('says what to do when the file is no database, and works once it is moved away', async () => {
    const path = join(newFolder(), 'catalog.db')
    writeFileSync(path, 'This is not a database, whatever its name says. '.repeat(100))
    const database = open(path)
    await expect(database.query('select 1 as n')).rejects.toMatchObject({
      code: 'database-broken',
      message: expect.stringMatching(/catalog\.db: .*move it away/),
    })
    rmSync(path)
    expect(await database.query('select 1 as n')).toEqual([{ n: 1 }])
  })

  it('notices damage, and goes on with the backup that is put in its place', async () => {
    const path = join(newFolder(), 'catalog.db')
    const before = open(path)
    await before.query('create table t (n bigint, text text)')
    await before.query('insert into t values (1, $1)', ['x'.repeat(100_000)])
    await before.close()
    const backup = readFileSync(path)

    const database = open(path)
    expect(await database.query('select n from t')).toEqual([{ n: 1 }])
    writeFileSync(path, Buffer.concat([backup.subarray(0, 4096), Buffer.alloc(backup.length - 4096, 0xff)]))
    await expect(database.query('select text from t')).rejects.toMatchObject({ code: 'database-broken' })
    for (const file of [path, `${path}-wal`, `${path}-shm`]) rmSync(file, { force: true })
    writeFileSync(path, backup)
    expect(await database.query('select length(text) as n from t')).toEqual([{ n: 100_000 }])
  })

  it('says where it failed when its folder cannot be made', async () => {
    const path = join(newFolder(), 'file')
    writeFileSync(path, '')
    const error = open(join(path, 'catalog.db')).query('select 1')
    await expect(error).rejects.toMatchObject({
      code: 'database-broken',
      message: expect.stringContaining(path),
    })
  })

  it('says that the disk is full, keeps nothing of the batch, and works on when there is space again', async () => {
    const database = open(join(newFolder(), 'catalog.db'))
    await database.query('create table t (n bigint, text text)')
    await database.query('pragma max_page_count = 20')
    const large = { sql: 'insert into t values (1, $1)', values: ['x'.repeat(30_000)] }
    const failed = database.batch([{ sql: 'insert into t values (0, null)' }, ...Array(10).fill(large)])
    await expect(failed).rejects.toMatchObject({ code: 'store-full' })
    expect(await database.query('select n from t')).toEqual([])
    await database.query('pragma max_page_count = 10000')
    await database.batch(Array(10).fill(large))
    expect(await database.query('select cast(count(*) as integer) as n from t')).toEqual([{ n: 10 }])
  })

  it('waits for another process that holds it for a second, while the event loop goes on', async () => {
    const path = join(newFolder(), 'catalog.db')
    const database = open(path)
    await database.query('create table t (n bigint)')
    await holdFor(path, 1000)
    const gaps = watchGaps()
    const start = performance.now()
    await Promise.all([
      ...Array.from({ length: 20 }, () => database.query('insert into t values (1)')),
      ...Array.from({ length: 20 }, () => database.batch([{ sql: 'insert into t values (2)' }])),
    ])
    expect(performance.now() - start).toBeGreaterThan(500)
    expect(gaps.stop()).toBeLessThan(250)
    expect(await database.query('select cast(count(*) as integer) as n from t')).toEqual([{ n: 40 }])
  })

  it('opens a file that another process holds at that moment', async () => {
    const path = join(newFolder(), 'catalog.db')
    const first = open(path)
    await first.query('create table t (n bigint)')
    await first.close()
    await holdFor(path, 500, 'pragma locking_mode = exclusive')
    expect(await open(path).query('select n from t')).toEqual([])
  })

  it('gives up as busy when it is held for longer, and works again afterwards', async () => {
    const path = join(newFolder(), 'catalog.db')
    const database = open(path, 200)
    await database.query('create table t (n bigint)')
    const { released } = await holdFor(path, 1200)
    await expect(database.query('insert into t values (1)')).rejects.toMatchObject({
      code: 'database-busy',
      status: 503,
    })
    await expect(database.batch([{ sql: 'insert into t values (1)' }])).rejects.toMatchObject({
      code: 'database-busy',
    })
    await released
    await database.query('insert into t values (2)')
    expect(await database.query('select n from t')).toEqual([{ n: 2 }])
  })

  it('has every commit that was answered after a kill -9', async () => {
    const path = join(newFolder(), 'catalog.db')
    const database = open(path)
    await database.query('create table t (n bigint)')
    const child = runScript(
      path,
      `const insert = database.prepare('insert into t values (?)')
       for (let n = 1; ; n++) { insert.run(n); writeSync(1, n + ' ') }`,
      'pragma synchronous = normal',
    )
    let answered = ''
    child.stdout.on('data', data => (answered += data))
    while (answered.length < 2000) await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'close')
    const last = Number(answered.trimEnd().split(' ').at(-1))
    const [row] = await database.query('select cast(count(*) as integer) as n, max(n) as last from t')
    expect(row?.n).toBe(row?.last)
    expect(Number(row?.n)).toBeGreaterThanOrEqual(last)
  })
})

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sqlite-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function open(path: string, busyLimitMs?: number) {
  const database = createSqliteDatabase({ path, busyLimitMs })
  onTestFinished(() => database.close())
  return database
}

/** Another process that works on the file. */
function runScript(path: string, script: string, pragma: string) {
  const file = join(newFolder(), 'script.mjs')
  writeFileSync(
    file,
    `import { writeSync } from 'node:fs'
     import { DatabaseSync } from 'node:sqlite'
     const database = new DatabaseSync(${JSON.stringify(path)})
     database.exec(${JSON.stringify(pragma)})
     ${script}`,
  )
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** Resolves when another process holds the file; `released` does when it has let it go. */
async function holdFor(path: string, ms: number, pragma = 'pragma locking_mode = normal') {
  const child = runScript(
    path,
    `database.exec('begin exclusive'); writeSync(1, 'held'); setTimeout(() => { database.exec('commit'); database.close() }, ${ms})`,
    pragma,
  )
  const released = once(child, 'close')
  await once(child.stdout, 'data')
  return { released }
}

/** The longest time that the event loop did not turn. */
function watchGaps() {
  let last = performance.now()
  let longest = 0
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 5)
  return {
    stop() {
      clearInterval(timer)
      return longest
    },
  }
}
