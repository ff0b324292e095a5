// The house rules as a test. The tables at the top are the rules; a rule that has to change is changed there,
// with its reason, and nowhere else.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formats } from '../src/formats/index.ts'
import { filesBelow, readSource, readSources, root, type SourceFile } from './architecture/source.ts'

/** Who may import whom. `type x`: types of x only. A file name instead of a room: that file only. A room may import itself. */
const rooms: Record<string, readonly string[]> = {
  'src/app.ts': ['src/*', 'src/services.ts', 'src/formats/index.ts'],
  'src/services.ts': ['type src/ports', 'type src/model'],
  'src/ports': ['type src/model'],
  'src/model': [],
  'src/streams': ['src/model', 'type src/ports'],
  'src/formats': ['src/model', 'src/streams'],
  'src/catalog': ['src/model', 'type src/ports'],
  'src/repositories': [
    'src/model',
    'src/streams',
    'src/catalog',
    'type src/ports',
    'type src/services.ts',
    'type src/formats/format.ts',
  ],
  // Streams: a backup is a tar.
  'src/manage': [
    'src/model',
    'src/streams',
    'src/catalog',
    'src/repositories',
    'type src/ports',
    'type src/services.ts',
  ],
  // Streams: bytes to and from clients are counted and limited as they pass.
  'src/http': [
    'src/model',
    'src/streams',
    'src/manage',
    'src/catalog',
    'src/repositories',
    'type src/ports',
    'type src/services.ts',
    'type src/formats/format.ts',
  ],
  'src/ui': ['src/model', 'src/manage'],
  'src/drivers': ['src/model', 'type src/ports'],
  // package.json: the version.
  'runtimes/shared': [
    'src/model',
    'src/drivers',
    'src/ports',
    'src/services.ts',
    'src/app.ts',
    'package.json',
  ],
  'runtimes/bun': [
    'runtimes/shared',
    // HTTP_SERVER=node.
    'runtimes/node/server.ts',
    'src/model',
    'src/drivers',
    'src/ports',
    'src/services.ts',
    'src/app.ts',
  ],
  'runtimes/node': [
    'runtimes/shared',
    'src/model',
    'src/drivers',
    'src/ports',
    'src/services.ts',
    'src/app.ts',
  ],
  'runtimes/deno': [
    'runtimes/shared',
    'src/model',
    'src/drivers',
    'src/ports',
    'src/services.ts',
    'src/app.ts',
  ],
  // Of `runtimes/shared`, which is code on node: modules and a disk, what needs neither.
  'runtimes/workers': [
    'src/model',
    'src/drivers',
    'src/ports',
    'src/services.ts',
    'src/app.ts',
    'runtimes/shared/environment.ts',
    'runtimes/shared/node-hasher.ts',
    'runtimes/shared/postgres-client.ts',
    'runtimes/shared/starter-set.ts',
    'runtimes/shared/version.ts',
  ],
}

/** The one room or file through which each package comes in. */
const doors: Record<string, readonly string[]> = {
  zod: ['src/model'],
  hono: ['src/http', 'src/app.ts'],
  'hono/jsx': ['src/ui'],
  yaml: ['src/drivers/yaml-settings.ts'],
  undici: ['runtimes/shared/undici-transport.ts'],
  postgres: ['runtimes/shared/postgres-client.ts'],
  ioredis: ['runtimes/shared/redis-connection.ts'],
  '@upstash/redis': ['src/drivers/upstash-connection.ts'],
  aws4fetch: ['src/drivers/s3-requests.ts'],
  '@aws-sdk/client-s3': ['src/drivers/s3-control.ts'],
  '@hono/node-server': ['runtimes/node'],
  miniflare: ['runtimes/workers/dev.ts'],
}

/** Modules that a runtime brings along, and who may use them. */
const runtimeModules: readonly (readonly [RegExp, RegExp])[] = [
  [/^node:/, /^runtimes\//],
  [/^bun(:|$)/, /^runtimes\/bun\//],
  [/^cloudflare:/, /^runtimes\/workers\//],
]

const lineCeiling = 300
/** Longer files, each with the reason why it is one piece. */
const longFiles: Record<string, string> = {
  'src/model/regex-syntax.ts': 'one recursive descent: its functions call each other',
  'src/model/settings-entry.ts': 'one short function for each group of keys, read from top to bottom',
}

const clockFile = 'src/drivers/system-clock.ts'
const kinds = ['remote', 'local', 'virtual']

// Built from parts, so that this file itself names none of them.
const forbiddenHosts = new RegExp(
  [
    `registry\\.${'npm'}js\\.(org|com)`,
    `(deb|ftp[.\\w]*|security|snapshot|httpredir|cdn-fastly\\.deb)\\.${'deb'}ian\\.(org|net)`,
  ].join('|'),
)

const sources = readSources('src', 'runtimes')
const core = sources.filter(file => file.path.startsWith('src/'))

describe('rooms', () => {
  it('has a rule for every file', () => {
    expect(sources.filter(file => !(roomOf(file.path) in rooms)).map(file => file.path)).toEqual([])
  })

  it('imports only where the table allows it', () => {
    expect(sources.flatMap(wrongImports)).toEqual([])
  })

  it('lets each package in through one door', () => {
    expect(sources.flatMap(wrongDoors)).toEqual([])
  })

  it('has no cycles', () => {
    expect(cyclesOf(sources)).toEqual([])
  })

  it('has no barrel files but the list of formats', () => {
    const barrels = sources.filter(file => isBarrel(file) && file.path !== 'src/formats/index.ts')
    expect(barrels.map(file => file.path)).toEqual([])
  })

  it('knows kinds in no format', () => {
    const found = inRoom('src/formats').flatMap(file => literals(file, kinds))
    expect(found).toEqual([])
  })

  it('knows formats in no kind', () => {
    const names = formats.map(format => format.name)
    expect(names).toContain('generic')
    expect(inRoom('src/repositories').flatMap(file => literals(file, names))).toEqual([])
  })
})

describe('the way out and the clock', () => {
  it('calls fetch in transports only', () => {
    const callers = sources.filter(file => callsFetch(file)).map(file => file.path)
    expect(callers.filter(path => !/^runtimes\/[^/]+\/[\w-]*transport\.ts$/.test(path))).toEqual([])
    expect(callers.length).toBeGreaterThan(0)
  })

  it('reads the time and sets timers in one file of the core', () => {
    const clocks = core.filter(file =>
      /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.|\bset(Timeout|Interval)\(/.test(file.code),
    )
    expect(clocks.map(file => file.path)).toEqual([clockFile])
  })

  it('has nothing of a particular runtime in the core', () => {
    const global = /(?<![.\w$])(process|Buffer|Bun|Deno|__dirname|require|setImmediate)\b(?!\s*[:?(]|\s*=>)/
    const found = core.filter(file => global.test(file.code)).map(file => file.path)
    expect(found).toEqual([])
  })
})

describe('manners', () => {
  it(`keeps files under ${lineCeiling} lines`, () => {
    const long = sources
      .map(file => ({ path: file.path, lines: file.text.trimEnd().split('\n').length }))
      .filter(file => file.lines > lineCeiling)
    expect(long.filter(file => !(file.path in longFiles))).toEqual([])
    expect(Object.keys(longFiles).filter(path => !long.some(file => file.path === path))).toEqual([])
  })

  it('begins every file with what it is for', () => {
    const bare = sources.filter(file => !/^(#!.*\n)?\s*(\/\/|\/\*)/.test(file.text))
    expect(bare.map(file => file.path)).toEqual([])
  })

  it('has no any and no enum', () => {
    const loose = /(?<![.\w$'-])any\b(?!\s*[(:'])|(?<![.\w$])enum\s+\w+\s*\{/
    expect(sources.filter(file => loose.test(file.code)).map(file => file.path)).toEqual([])
  })

  it('names files in kebab-case, and none a bag of things', () => {
    const odd = sources.filter(file => {
      const name = (file.path.split('/').at(-1) ?? '').replace(/(\.d)?\.tsx?$/, '')
      return (
        !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) ||
        /(^|-)(utils?|helpers?|common|manager|base|impl|misc)$/.test(name)
      )
    })
    expect(odd.map(file => file.path)).toEqual([])
  })

  it('names no package registry or mirror that it should not', () => {
    const found = filesBelow('.').filter(path => {
      const lines = readFileSync(join(root, path), 'latin1')
      return forbiddenHosts.test(lines)
    })
    expect(found).toEqual([])
  })
})

describe('the test itself', () => {
  it('sees an import against the table', () => {
    const format = readSource('src/formats/x/x.ts', "import { remote } from '../../repositories/remote.ts'\n")
    expect(wrongImports(format)).toEqual(['src/formats/x/x.ts -> src/repositories/remote.ts'])
    const value = readSource(
      'src/drivers/x.ts',
      "import { a } from '../ports/clock.ts'\nimport type { b } from '../ports/log.ts'\n",
    )
    expect(wrongImports(value)).toEqual(['src/drivers/x.ts -> src/ports/clock.ts'])
    const kind = readSource('src/repositories/x.ts', "import type { F } from '../formats/npm/npm.ts'\n")
    expect(wrongImports(kind)).toEqual(['src/repositories/x.ts -> src/formats/npm/npm.ts'])
  })

  it('sees a package at the wrong door', () => {
    expect(wrongDoors(readSource('src/catalog/x.ts', "import { z } from 'zod'\n"))).toEqual([
      'src/catalog/x.ts -> zod',
    ])
    expect(wrongDoors(readSource('src/http/x.ts', "import { readFile } from 'node:fs'\n"))).toEqual([
      'src/http/x.ts -> node:fs',
    ])
    expect(wrongDoors(readSource('src/http/x.ts', "import { Hono } from 'hono/tiny'\n"))).toEqual([])
  })

  it('sees a cycle', () => {
    const a = readSource('src/model/a.ts', "import { b } from './b.ts'\n")
    const b = readSource('src/model/b.ts', "import type { a } from './a.ts'\n")
    expect(cyclesOf([a, b])).toEqual(['src/model/a.ts -> src/model/b.ts -> src/model/a.ts'])
  })

  it('tells code from comments, strings and patterns', () => {
    const { code, strings } = readSource(
      'src/x.ts',
      "const a = `x\u0024{fetch('u')}y` // any\nconst b = /['\"`]/.test('c') /* enum X { */\n",
    )
    expect(code).toContain('fetch(')
    expect(code).not.toContain('any')
    expect(code).not.toContain('enum')
    expect(strings).toEqual(['x', 'u', 'y', 'c'])
  })

  it('sees a call of fetch, and not a method of that name', () => {
    expect(callsFetch(readSource('src/x.ts', 'const answer = await fetch(url)\n'))).toBe(true)
    expect(callsFetch(readSource('src/x.ts', 'const send = globalThis.fetch\n'))).toBe(true)
    expect(
      callsFetch(
        readSource(
          'src/x.ts',
          'const app = { async fetch(request: Request) { return stub.fetch(request) } }\n',
        ),
      ),
    ).toBe(false)
  })
})

function roomOf(path: string): string {
  if (path in rooms) return path
  return path.split('/').slice(0, 2).join('/')
}

function inRoom(room: string): SourceFile[] {
  const files = sources.filter(file => roomOf(file.path) === room)
  expect(files.length).toBeGreaterThan(0)
  return files
}

function wrongImports(file: SourceFile): string[] {
  const room = roomOf(file.path)
  const allowed = rooms[room] ?? []
  return file.imports
    .filter(edge => edge.isRelative && !isAllowed(edge.to, edge.isType))
    .map(edge => `${file.path} -> ${edge.to}`)

  function isAllowed(to: string, isType: boolean): boolean {
    const target = roomOf(to)
    if (target === room) return true
    // The application joins all rooms, but plugs and windows come from outside.
    if (allowed.includes('src/*')) return target !== 'src/drivers' && target.startsWith('src/')
    return [to, target].some(name => allowed.includes(name) || (isType && allowed.includes(`type ${name}`)))
  }
}

function wrongDoors(file: SourceFile): string[] {
  return file.imports
    .filter(edge => !edge.isRelative && !isOpen(edge.to))
    .map(edge => `${file.path} -> ${edge.to}`)

  function isOpen(name: string): boolean {
    const runtime = runtimeModules.find(([module]) => module.test(name))
    if (runtime) return runtime[1].test(file.path)
    const known = Object.keys(doors).filter(door => name === door || name.startsWith(`${door}/`))
    const door = known.sort((a, b) => b.length - a.length)[0]
    return (
      door !== undefined &&
      (doors[door] ?? []).some(place => file.path === place || file.path.startsWith(`${place}/`))
    )
  }
}

function cyclesOf(files: readonly SourceFile[]): string[] {
  const edges = new Map(
    files.map(file => [file.path, file.imports.filter(edge => edge.isRelative).map(edge => edge.to)]),
  )
  const done = new Set<string>()
  const cycles: string[] = []
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) cycles.push([...trail.slice(start), path].join(' -> '))
    if (start >= 0 || done.has(path)) return
    for (const next of edges.get(path) ?? []) walk(next, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) walk(path, [])
  return cycles
}

function isBarrel(file: SourceFile): boolean {
  const isIndex = /(^|\/)index\.tsx?$/.test(file.path)
  return isIndex || file.imports.some(edge => edge.isReexport)
}

function literals(file: SourceFile, words: readonly string[]): string[] {
  return file.strings.filter(text => words.includes(text)).map(text => `${file.path}: '${text}'`)
}

function callsFetch(file: SourceFile): boolean {
  if (/\bglobalThis\.fetch\b/.test(file.code)) return true
  // A declaration names the type of its parameter; a call never does. Methods without types have a body.
  const calls = file.code
    .replace(/(?<![.\w$])fetch\(\s*\w+\??\s*:/g, '')
    .replace(/(?<![.\w$])fetch\([\w\s,]*\)\s*\{/g, '')
  return /(?<![.\w$])fetch\(/.test(calls)
}
