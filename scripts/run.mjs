// Every npm script comes through here: `node scripts/run.mjs <command> [arguments]`.
// A fresh clone needs nothing else: the dependencies are installed first, then the right tool is started in our
// place. Arguments, signals and the exit code pass through untouched.

import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { setUp } from './setup.mjs'
import { bun, deno, environment, node, root, vitest } from './toolchain.mjs'

// Deno is given everything: the configuration may name any path, any origin and any host to listen on, and the
// directories are known only after the environment was read.
const denoFlags = ['run', '--allow-all', '--no-lock', '--node-modules-dir=manual', '--quiet']

/** Each: the program and its first arguments. */
const commands = {
  // As the binary has it: long signed URLs and cookies are longer than Bun's 16 KB.
  start: () => [bun(), '--max-http-header-size=65536', at('runtimes/bun/main.ts')],
  'start:node': () => [node(), '--disable-warning=ExperimentalWarning', at('runtimes/node/main.ts')],
  'start:deno': () => [deno(), ...denoFlags, at('runtimes/deno/main.ts')],
  'dev:worker': () => [node(), '--disable-warning=ExperimentalWarning', at('runtimes/workers/dev.ts')],
  test: () => [node(), vitest, 'run'],
  'test:bun': () => [bun(), '--bun', vitest, 'run', '--pool=threads', ...notUnderBun()],
  check: () => [node(), at('scripts/check.mjs')],
  build: () => [node(), at('scripts/build.mjs')],
  bench: () => [node(), at('scripts/bench/bench.mjs')],
  cluster: () => [node(), '--disable-warning=ExperimentalWarning', at('scripts/cluster.mjs')],
}

/** What starts processes or miniflare runs once, on Node; what it starts is any runtime. */
function notUnderBun() {
  const globs = [
    'test/architecture.test.ts',
    'test/runtimes/**',
    'test/clients/**',
    'test/deploy/**',
    'test/faults/**',
    'test/drivers/{d1,durable,r2,undici,workers}-*.test.ts',
  ]
  return globs.map(glob => `--exclude=${glob}`)
}

function at(path) {
  return join(root, path)
}

async function main([name, ...args]) {
  if (!Object.hasOwn(commands, name ?? '')) {
    throw new Error(`Unknown command ${name ?? '(none)'}; known are ${Object.keys(commands).join(', ')}`)
  }
  await setUp()
  const [program, ...first] = commands[name]()
  const isServer = name.startsWith('start')
  // A server finds its configuration where the operator stands; tools work on the checkout.
  const child = spawn(program, [...first, ...args], {
    cwd: isServer ? process.cwd() : root,
    env: isServer ? process.env : environment(),
    stdio: 'inherit',
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the child as well; passed on, it would arrive twice.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  child.on('error', error => fail(new Error(`Cannot start ${program}: ${error.message}`)))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}

function fail(error) {
  console.error(error.message)
  process.exit(1)
}

main(process.argv.slice(2)).catch(fail)
