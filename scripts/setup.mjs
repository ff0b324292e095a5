// Installs the dependencies when they are absent or another set than package-lock.json asks for.
// Silent unless it fails; safe to start twice at once; doing it again costs a few milliseconds.

import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
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
    if (!isInstalled()) await install()
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

async function install() {
  if (process.stderr.isTTY) console.error('Installing dependencies (once) …')
  let output = ''
  // Without --no-save, `npm install` would change package-lock.json where a registry lacks packages of other platforms.
  for (const verb of [['ci'], ['install', '--no-save']]) {
    const attempt = await npm(verb)
    if (attempt.code === 0) return
    output += attempt.output
  }
  console.error(output)
  throw new Error(`Cannot install the dependencies: \`npm ci\` and \`npm install\` both failed in ${root}`)
}

function npm(verb) {
  const args = [...verb, '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error']
  const execPath = process.env.npm_execpath
  // The npm that started us, where it was one; npx, pnpm and others announce themselves there too.
  const [program, ...first] = execPath?.endsWith('npm-cli.js') ? [process.execPath, execPath] : ['npm']
  const { NODE_ENV: _, ...env } = process.env
  const child = spawn(program, [...first, ...args], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = `$ npm ${args.join(' ')}\n`
  child.stdout.on('data', chunk => (output += chunk))
  child.stderr.on('data', chunk => (output += chunk))
  const stop = signal => {
    // An npm left behind would go on writing into node_modules while the next run does the same.
    child.kill(signal)
    child.once('close', () => process.exit(128 + constants.signals[signal]))
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, stop)
  return new Promise(resolve => {
    child.on('error', error => resolve({ code: 1, output: `${output}${error.message}\n` }))
    child.on('close', code => resolve({ code, output: `${output}\n` }))
  }).finally(() => {
    for (const signal of signals) process.off(signal, stop)
  })
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
