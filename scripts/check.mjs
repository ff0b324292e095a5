// Everything CI does, in one command: format and lint, types, tests on Node and Bun, the binary and a smoke test of it.
// The last line is `N passed, N failed`: tests one each, every other step one.
// `--node-results=FILE` takes the results of a run of `npm test` that was just made instead of making one.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { biome, environment, node, root, tsc } from './toolchain.mjs'

const projects = ['.', 'runtimes/bun', 'runtimes/node', 'runtimes/deno', 'runtimes/workers', 'test']
const startLimitMs = 10_000
const total = { passed: 0, failed: 0, skipped: 0 }
const scratch = mkdtempSync(join(tmpdir(), 'artifactapi-check-'))

async function main(args) {
  const given = args.find(arg => arg.startsWith('--node-results='))?.split('=')[1]
  step('format and lint', () => run(node(), [biome, 'ci', '--colors=off', '.']))
  for (const project of projects) step(`types of ${project}`, () => run(node(), [tsc, '-p', project]))
  tests('tests on Node', 'test', given)
  tests('tests on Bun', 'test:bun')
  step('build', () => run(process.execPath, [join(root, 'scripts/run.mjs'), 'build']))
  await smoke()
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ''
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`)
  return total.failed === 0 ? 0 : 1
}

function step(title, work) {
  const startedAt = performance.now()
  let fault
  try {
    fault = work()
  } catch (error) {
    fault = error.message
  }
  report(title, startedAt, fault)
}

/** `fault`: what went wrong; nothing = it went well. */
function report(title, startedAt, fault) {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  total[fault ? 'failed' : 'passed'] += 1
  console.log(`${fault ? 'FAILED' : 'ok    '} ${title} (${seconds} s)`)
  if (fault) console.log(fault)
}

function run(program, args) {
  const result = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    env: environment(),
    maxBuffer: 1 << 28,
  })
  if (result.status === 0) return null
  return (
    `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}` ||
    `exit ${result.status ?? result.signal}`
  )
}

function tests(title, command, given) {
  const startedAt = performance.now()
  const file = given ?? join(scratch, `${command.replace(':', '-')}.json`)
  if (!given) {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    spawnSync(process.execPath, [join(root, 'scripts/run.mjs'), command, ...reporters], {
      cwd: root,
      stdio: 'inherit',
    })
  }
  if (!existsSync(file))
    return report(title, startedAt, `${command} left no results: it did not come to its end`)
  count(title, startedAt, JSON.parse(readFileSync(file, 'utf8')))
}

function count(title, startedAt, results) {
  const cases = results.testResults.flatMap(suite =>
    suite.assertionResults.map(test => ({ ...test, file: suite.name })),
  )
  // A file that fails before its first test counts as one failure: its tests never ran.
  const broken = results.testResults.filter(suite => suite.status === 'failed' && !hasFailure(suite))
  const failed = cases.filter(test => test.status === 'failed')
  const skipped = cases.filter(test => test.status !== 'failed' && test.status !== 'passed')
  printSkipped(skipped)
  for (const test of failed) console.log(`failed: ${relative(root, test.file)}: ${test.fullName}`)
  for (const suite of broken) console.log(`failed: ${relative(root, suite.name)}: ${suite.message}`)
  const passed = cases.length - failed.length - skipped.length
  total.passed += passed
  total.failed += failed.length + broken.length
  total.skipped += skipped.length
  // An error outside any test (an unhandled rejection) fails the run and shows in no test.
  const isSilentFailure = !results.success && failed.length + broken.length === 0
  if (isSilentFailure || passed === 0) {
    return report(
      title,
      startedAt,
      passed === 0 ? 'no test passed' : 'errors outside of the tests, see above',
    )
  }
  console.log(
    `${failed.length + broken.length > 0 ? 'FAILED' : 'ok    '} ${title}: ${passed} of ${cases.length}`,
  )
}

/** All by name, but where a whole suite is left out (another runtime's): that one by its number. */
function printSkipped(skipped) {
  for (const file of new Set(skipped.map(test => test.file))) {
    const names = skipped.filter(test => test.file === file).map(test => test.fullName)
    const lines = names.length > 8 ? [`${names.length} tests, such as ${names[0]}`] : names
    for (const line of lines) console.log(`skipped: ${relative(root, file)}: ${line}`)
  }
}

function hasFailure(suite) {
  return suite.assertionResults.some(test => test.status === 'failed')
}

/** The built binary, in an empty folder, answers, and leaves when it is told to. */
async function smoke() {
  const startedAt = performance.now()
  const folder = mkdtempSync(join(scratch, 'empty-'))
  const port = await freePort()
  const { HOME, PATH } = process.env
  const child = spawn(join(root, 'dist/artifactapi'), {
    cwd: folder,
    env: { HOME, PATH, LISTEN_ADDR: `127.0.0.1:${port}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', chunk => (output += chunk))
  child.stderr.on('data', chunk => (output += chunk))
  const left = new Promise(resolve => {
    child.on('exit', (code, signal) => resolve(signal ?? code))
    child.on('error', error => resolve(error.message))
  })
  const isUp = await answers(`http://127.0.0.1:${port}/health`, left)
  report('the binary answers in an empty folder', startedAt, isUp ? null : `no answer of /health\n${output}`)
  const stoppedAt = performance.now()
  child.kill('SIGTERM')
  const end = await Promise.race([left, sleep(startLimitMs, 'still running')])
  if (end === 'still running') child.kill('SIGKILL')
  report('the binary leaves on SIGTERM', stoppedAt, isUp && end === 0 ? null : `exit: ${end}\n${output}`)
}

async function answers(url, left) {
  const deadline = performance.now() + startLimitMs
  let isGone = false
  left.then(() => {
    isGone = true
  })
  while (!isGone && performance.now() < deadline) {
    const response = await fetch(url).catch(() => null)
    if (response?.status === 200) return true
    await sleep(20)
  }
  return false
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

main(process.argv.slice(2))
  .catch(error => {
    console.error(error)
    return 1
  })
  .then(code => {
    rmSync(scratch, { recursive: true, force: true })
    process.exitCode = code
  })
