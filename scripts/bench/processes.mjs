// Starts what is measured and what measures it, each pinned to a core, and reads what the kernel knows of it.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export const serverCore = 0
export const loadCore = 1

const ticksPerSecond = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100
const running = new Set()

/** A program that goes on until `stop`. Its output goes to `log`. */
export function launch(core, command, { env, cwd, log }) {
  const output = openSync(log, 'a')
  const child = spawn('taskset', ['-c', String(core), ...command], {
    env,
    cwd,
    stdio: ['ignore', output, output],
  })
  running.add(child)
  const left = new Promise(resolve => child.on('exit', (code, signal) => resolve(signal ?? code)))
  child.on('error', error => console.error(`Cannot start ${command[0]}: ${error.message}`))
  left.then(() => running.delete(child))
  return {
    pid: child.pid,
    left,
    isRunning: () => running.has(child),
    async stop() {
      child.kill('SIGTERM')
      if ((await Promise.race([left, sleep(5_000, 'late', { ref: false })])) === 'late') child.kill('SIGKILL')
      await left
    },
  }
}

/** Runs a program to its end and answers what it wrote. */
export function run(core, command, limitSeconds = 180) {
  return new Promise((resolve, reject) => {
    const child = spawn('taskset', ['-c', String(core), ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
    running.add(child)
    const timer = setTimeout(() => child.kill('SIGKILL'), limitSeconds * 1000)
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => (stdout += chunk))
    child.stderr.on('data', chunk => (stderr += chunk))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      running.delete(child)
      if (code === 0) resolve(stdout)
      else
        reject(
          new Error(`${command.slice(0, 2).join(' ')} ended with ${signal ?? code}: ${stderr || stdout}`),
        )
    })
  })
}

/** Ends what is still running, with its children; for the way out. */
export function stopAll() {
  for (const child of running) {
    for (const pid of treeOf(child.pid)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It left by itself.
      }
    }
  }
}

/** CPU seconds of a process and its children. */
export function cpuSeconds(pid) {
  return sumOf(pid, id => {
    const fields = readFileSync(`/proc/${id}/stat`, 'utf8').split(') ')[1].split(' ')
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
  })
}

export function rssMegabytes(pid) {
  return sumOf(
    pid,
    id => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1] ?? 0) / 1024,
  )
}

function sumOf(pid, figure) {
  try {
    return treeOf(pid).reduce((sum, id) => sum + figure(id), 0)
  } catch {
    return 0
  }
}

function treeOf(pid) {
  if (!existsSync(`/proc/${pid}/task`)) return []
  const children = readdirSync(`/proc/${pid}/task`).flatMap(task => {
    const file = `/proc/${pid}/task/${task}/children`
    return existsSync(file) ? readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number) : []
  })
  return [pid, ...children.flatMap(treeOf)]
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
