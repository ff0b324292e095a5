// The wrangler files: what they bind is what the Worker knows, and with it the Worker serves.

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Miniflare } from 'miniflare'
import { describe, expect, it } from 'vitest'
import { environmentVariables } from '../../runtimes/shared/environment-table.ts'
import { hasPostgres, startPostgres } from '../services/postgres.ts'
import { startWorkerd } from '../workerd.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const variants = readdirSync(join(root, 'deploy/workers')).filter(name => name.endsWith('.toml'))
const files = ['wrangler.toml', ...variants.map(name => `deploy/workers/${name}`)]

/** As far as it is looked at. */
interface Wrangler {
  readonly main: string
  readonly compatibility_date: string
  readonly compatibility_flags: readonly string[]
  readonly vars?: Readonly<Record<string, string>>
  readonly r2_buckets: readonly { readonly binding: string }[]
  readonly d1_databases?: readonly { readonly binding: string }[]
  readonly kv_namespaces?: readonly { readonly binding: string }[]
  readonly hyperdrive?: readonly { readonly binding: string }[]
  readonly durable_objects: {
    readonly bindings: readonly { readonly name: string; readonly class_name: string }[]
  }
  readonly migrations: readonly { readonly new_sqlite_classes: readonly string[] }[]
  readonly triggers: { readonly crons: readonly string[] }
}

const source = readFileSync(join(root, 'runtimes/workers/bindings.ts'), 'utf8')
const known = [...source.matchAll(/^ {2}readonly ([A-Z_]+)(\??): (\w+)/gm)].map(
  ([, name, optional, type]) => ({
    name,
    isNeeded: optional === '',
    isText: type === 'string',
  }),
)

it('finds the names in bindings.ts', () => {
  expect(known.map(({ name }) => name)).toEqual(expect.arrayContaining(['BLOBS', 'DB', 'REMOTES_YAML']))
})

describe.each(files)('%s', file => {
  const wrangler = parse(file)

  it('runs the Worker, as it is tested', () => {
    expect(existsSync(join(root, dirname(file), wrangler.main))).toBe(true)
    expect(wrangler.main).toMatch(/(^|\/)runtimes\/workers\/main\.ts$/)
    const development = readFileSync(join(root, 'runtimes/workers/dev.ts'), 'utf8')
    expect(development).toContain(`compatibilityDate: '${wrangler.compatibility_date}'`)
    expect(development).toContain(`compatibilityFlags: ['${wrangler.compatibility_flags.join("', '")}']`)
    expect(wrangler.triggers.crons).toHaveLength(1)
  })

  it('binds what the Worker needs, and nothing that it does not know', () => {
    const names = bindingsOf(wrangler)
    const bindable = known.filter(({ isText }) => !isText)
    expect(bindable.map(({ name }) => name)).toEqual(expect.arrayContaining(names))
    expect(names).toEqual(
      expect.arrayContaining(bindable.filter(each => each.isNeeded).map(({ name }) => name)),
    )
    const rows = ['DB', 'HYPERDRIVE', 'DBHOST']
    expect(rows.filter(name => [...names, ...Object.keys(wrangler.vars ?? {})].includes(name))).toHaveLength(
      1,
    )
  })

  it('sets variables that there are', () => {
    const texts = known.filter(({ isText }) => isText).map(({ name }) => name)
    const there = [...environmentVariables.map(({ name }) => name), ...texts]
    expect(there).toEqual(expect.arrayContaining(Object.keys(wrangler.vars ?? {})))
  })

  it('makes the classes that it binds, and that the Worker has', () => {
    const classes = wrangler.durable_objects.bindings.map(each => each.class_name).sort()
    expect(wrangler.migrations.flatMap(each => each.new_sqlite_classes).sort()).toEqual(classes)
    const main = readFileSync(join(root, 'runtimes/workers/main.ts'), 'utf8')
    expect(main).toContain(`export { ${classes.join(', ')} }`)
  })

  const needsPostgres = wrangler.d1_databases === undefined
  it.skipIf(needsPostgres && !hasPostgres())('serves', async () => {
    const postgres = needsPostgres ? await startPostgres() : null
    const hyperdrive = `postgres://postgres:none@127.0.0.1:${postgres?.port}/postgres`
    const env =
      wrangler.hyperdrive === undefined ? (postgres?.environment({ DBSSLMODE: 'disable' }) ?? {}) : {}
    const worker = await start(wrangler, { ...env, ADMIN_TOKEN: 'secret' }, hyperdrive)
    const ask = async (method: string, path: string, body?: string) => {
      const headers = { authorization: 'Bearer secret' }
      const answer = await worker.dispatchFetch(`http://worker${path}`, { method, headers, body })
      return [answer.status, await answer.text()] as const
    }
    try {
      expect((await ask('GET', '/ready'))[0]).toBe(200)
      expect((await ask('PUT', '/api/v1/remote/files/a.txt', 'mine'))[0]).toBe(201)
      expect(await ask('GET', '/api/v1/remote/files/a.txt')).toEqual([200, 'mine'])
    } finally {
      await worker.dispose()
      await postgres?.stop()
    }
  })
})

/** By Bun, which reads TOML. */
function parse(file: string): Wrangler {
  const script = 'console.log(JSON.stringify(Bun.TOML.parse(await Bun.file(process.argv[1]).text())))'
  const bun = join(root, 'node_modules/.bin/bun')
  return JSON.parse(execFileSync(bun, ['-e', script, join(root, file)], { encoding: 'utf8' }))
}

function bindingsOf(wrangler: Wrangler): string[] {
  const { r2_buckets, d1_databases = [], kv_namespaces = [], hyperdrive = [], durable_objects } = wrangler
  const bound = [...r2_buckets, ...d1_databases, ...kv_namespaces, ...hyperdrive]
  return [...bound.map(({ binding }) => binding), ...durable_objects.bindings.map(({ name }) => name)]
}

function start(wrangler: Wrangler, env: Record<string, string>, url: string): Promise<Miniflare> {
  const { r2_buckets, d1_databases = [], kv_namespaces = [], hyperdrive = [], durable_objects } = wrangler
  const names = (bound: readonly { readonly binding: string }[]) => bound.map(({ binding }) => binding)
  return startWorkerd('runtimes/workers/main.ts', {
    bindings: { ...wrangler.vars, LOG_LEVEL: 'error', ...env },
    r2Buckets: names(r2_buckets),
    d1Databases: names(d1_databases),
    kvNamespaces: names(kv_namespaces),
    hyperdrives: Object.fromEntries(names(hyperdrive).map(name => [name, url])),
    durableObjects: Object.fromEntries(
      durable_objects.bindings.map(({ name, class_name: className }) => [
        name,
        { className, useSQLite: true },
      ]),
    ),
  })
}
