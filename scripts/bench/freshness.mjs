// Is the binary still what the sources say?

import { readdirSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { root } from '../toolchain.mjs'

export function filesNewerThan(epochMs) {
  return ['src', 'runtimes/shared', 'runtimes/bun']
    .flatMap(folder => filesBelow(join(root, folder)))
    .filter(file => statSync(file).mtimeMs > epochMs)
    .map(file => relative(root, file))
}

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesBelow(path) : [path]
  })
}
