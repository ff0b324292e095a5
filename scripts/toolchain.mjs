// Where the tools of this project are. They come with the dependencies, so a machine needs only Node and npm;
// where npm was told not to run install scripts, each tool is found by its second way.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const modules = join(root, 'node_modules')
const extension = process.platform === 'win32' ? '.exe' : ''

/** Bun: the installed binary, else the platform's package, else what its installer can still bring. */
export function bun() {
  const installed = join(modules, 'bun/bin/bun.exe')
  return (
    working(installed) ??
    firstIn('@oven', `bin/bun${extension}`) ??
    afterInstalling('bun/install.js', installed) ??
    missing('bun', 'Bun')
  )
}

/** Node with type stripping: the running one when it is new enough, else the one of the dependencies. */
export function node() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath
  const installed = join(modules, 'node/bin/node')
  return (
    working(installed) ??
    afterInstalling('node/installArchSpecificPackage.js', installed) ??
    missing('node', 'Node ≥ 22.18')
  )
}

export function deno() {
  return (
    working(join(modules, `deno/deno${extension}`)) ??
    firstIn('@deno', `deno${extension}`) ??
    missing('deno', 'Deno')
  )
}

/** Tools that are JavaScript; to be run with `node()`, or with `bun --bun`. */
export const vitest = join(modules, 'vitest/vitest.mjs')
export const tsc = join(modules, 'typescript/bin/tsc')
export const biome = join(modules, '@biomejs/biome/bin/biome')

/** For tests and checks: what they start by name is found among the dependencies first. */
export function environment(extra = {}) {
  const path = [dirname(node()), join(modules, '.bin'), process.env.PATH ?? '']
  return { ...process.env, PATH: path.join(delimiter), ...extra }
}

function working(path) {
  // The placeholder that the package ships before its installer ran is a script of a few hundred bytes.
  if (!existsSync(path)) return null
  return spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0 ? path : null
}

function firstIn(scope, file) {
  const folder = join(modules, scope)
  if (!existsSync(folder)) return null
  for (const name of readdirSync(folder)) {
    const path = working(join(folder, name, file))
    if (path) return path
  }
  return null
}

function afterInstalling(installer, path) {
  const script = join(modules, installer)
  if (!existsSync(script)) return null
  spawnSync(process.execPath, [script], { cwd: dirname(script), stdio: 'ignore' })
  return working(path)
}

function missing(name, title) {
  throw new Error(
    `Cannot find ${title}: node_modules/${name} holds none for ${process.platform}-${process.arch}. ` +
      `Run \`npm install --include=optional --foreground-scripts\`, or see why npm skipped the package "${name}".`,
  )
}
