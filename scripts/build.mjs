// Makes dist/artifactapi, or what --outfile names: the service and Bun in one file that needs nothing beside it.
// It must not read .env or bunfig.toml from the folder it is started in: that folder is the operator's.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { bun, root } from './toolchain.mjs'

const given = process.argv.find(arg => arg.startsWith('--outfile='))
const outfile = given ? resolve(given.slice('--outfile='.length)) : join(root, 'dist/artifactapi')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const args = [
  'build',
  '--compile',
  '--minify',
  '--sourcemap',
  '--no-compile-autoload-dotenv',
  '--no-compile-autoload-bunfig',
  // Headers of 16 KB, Bun's default, are too small for long signed URLs and tokens.
  '--compile-exec-argv=--max-http-header-size=65536',
  `--outfile=${outfile}`,
  // For another platform: npm run build -- --target=bun-linux-arm64
  ...process.argv.slice(2).filter(arg => arg !== given),
  join(root, 'runtimes/bun/main.ts'),
]

mkdirSync(dirname(outfile), { recursive: true })
const result = spawnSync(bun(), args, { cwd: root, encoding: 'utf8' })
if (result.status !== 0) {
  console.error(
    `Cannot build ${relative(root, outfile)}:\n${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}`,
  )
  process.exit(1)
}
console.log(`${relative(root, outfile)} ${version}, ${Math.round(statSync(outfile).size / 1e6)} MB`)
