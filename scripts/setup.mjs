// Installs the dependencies when they are absent or another set than package-lock.json asks for.
// Silent unless it fails; safe to start twice at once; doing it again costs a few milliseconds.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { root } from './toolchain.mjs'

const lockDirectory = join(root, '.setup.lock')
const waitLimitMs = 10 * 60_000

export async function setUp() {
  if (isInstalled()) return
  await takeLock()
  const release = () => rmSync(lockDirectory, { recursive: true, force: true })
  process.once('exit', release)
  try {
    if (!isInstalled()) install()
  } finally {
    release()
    process.off('exit', release)
  }
}

/** npm writes its hidden lock file last, so it tells what is installed, and that the installation came to its end. */
function isInstalled() {
  const wanted = packagesOf('package-lock.json')
  const present = packagesOf('node_modules/.package-lock.json')
  if (!wanted || !present) return false
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || entry.link) return true
    const found = present[path]
    return found
      ? found.version === entry.version
      : Boolean(entry.optional || entry.devOptional || entry.peer)
  })
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages
  } catch {
    return null
  }
}

function install() {
  if (process.stderr.isTTY) console.error('Installing dependencies (once) …')
  let output = ''
  for (const verb of ['ci', 'install']) {
    const attempt = npm(verb)
    if (attempt.status === 0) return
    output += attempt.output
  }
  console.error(output)
  throw new Error(`Cannot install the dependencies: \`npm ci\` and \`npm install\` both failed in ${root}`)
}

function npm(verb) {
  const args = [verb, '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error']
  const execPath = process.env.npm_execpath
  // npm is the one that started us where there is one; npx, pnpm and others announce themselves there too.
  const command = execPath?.endsWith('npm-cli.js') ? [process.execPath, execPath] : ['npm']
  const { NODE_ENV: _, ...env } = process.env
  const result = spawnSync(command[0], [...command.slice(1), ...args], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
    env: { ...env, npm_config_update_notifier: 'false' },
  })
  const output = `$ npm ${args.join(' ')}\n${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}\n`
  return { status: result.status, output }
}

async function takeLock() {
  const deadline = Date.now() + waitLimitMs
  for (;;) {
    try {
      mkdirSync(lockDirectory)
      writeFileSync(join(lockDirectory, 'pid'), String(process.pid))
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (isAbandoned()) rmSync(lockDirectory, { recursive: true, force: true })
    else if (Date.now() > deadline)
      throw new Error(`Cannot set up: ${lockDirectory} is held by another run; remove it`)
    else await sleep(200)
  }
}

function isAbandoned() {
  try {
    const holder = Number(readFileSync(join(lockDirectory, 'pid'), 'utf8'))
    if (!holder) return ageMs(lockDirectory) > 5_000
    process.kill(holder, 0)
    return false
  } catch (error) {
    if (error.code === 'ESRCH') return true
    return error.code === 'ENOENT' && ageMs(lockDirectory) > 5_000
  }
}

function ageMs(path) {
  try {
    return Date.now() - statSync(path).mtimeMs
  } catch {
    return 0
  }
}
