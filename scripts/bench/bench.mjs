// npm run bench: artifactapi on Bun (one process) beside nginx proxy_cache (one worker), in one run, over the
// same files and the same origin. The servers have core 0, the load and the origin core 1; so read ratios, not
// absolute figures. Prints a table and writes nothing that stays.
//
//   --only=hits,download,miss,first-byte,crowd,memory,start   some parts
//   --only=replicas         three of them over Postgres, Redis and Ceph RGW
//   --quick                 shorter, for a first look
//   --rounds=3 --seconds=5  how often and how long
//   --nginx-log=line        nginx writes its log line by line, not in batches
//   --command='bun x.ts'    another way to start artifactapi, for profilers
//
// npm run bench -- scale: the catalog with up to a million objects (scale.mjs).

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bun, node, root } from '../toolchain.mjs'
import { filesNewerThan } from './freshness.mjs'
import { coldCrowd, download, firstByte, hits, memory, miss, start } from './measures.mjs'
import { rssMegabytes, stopAll } from './processes.mjs'
import { replicas } from './replicas.mjs'
import { printTable } from './report.mjs'
import { scale } from './scale.mjs'
import { startArtifactapi, startNginx, startOrigin } from './servers.mjs'

const usual = { hits, download, miss, 'first-byte': firstByte, crowd: coldCrowd, memory, start }
/** What needs more than nginx is run when it is named. */
const parts = { ...usual, replicas }

const isScale = process.argv[2] === 'scale'

const { values: options } = parseArgs({
  args: isScale ? [] : process.argv.slice(2),
  options: {
    only: { type: 'string', default: Object.keys(usual).join(',') },
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    'nginx-log': { type: 'string', default: 'batches' },
    command: { type: 'string' },
  },
})

async function main() {
  const names = options.only.split(',')
  const unknown = names.filter(name => !(name in parts))
  if (unknown.length > 0)
    throw new Error(`Unknown part ${unknown.join(', ')}; known are ${Object.keys(parts).join(', ')}`)
  const programs = preflight()
  const folder = mkdtempSync(join(tmpdir(), 'artifactapi-bench-'))
  process.on('exit', () => {
    stopAll()
    rmSync(folder, { recursive: true, force: true })
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))

  const stage = await setStage(folder, programs)
  const rows = []
  for (const name of names) {
    console.error(`${name} …`)
    try {
      rows.push(...(await parts[name](stage)))
    } catch (error) {
      rows.push({ what: name, ours: 'failed', goal: '', isReached: false })
      console.error(`${name} failed: ${error.message}`)
    }
  }
  printTable(rows)
  return rows.every(row => row.isReached !== false) ? 0 : 1
}

async function setStage(folder, programs) {
  const binary = join(root, 'dist/artifactapi')
  const sourceCommand = [bun(), join(root, 'runtimes/bun/main.ts')]
  const command = options.command?.split(' ') ?? (existsSync(binary) ? [binary] : sourceCommand)
  const origin = await startOrigin(folder, node(), join(root, 'scripts/bench/origin.mjs'))
  const servers = [
    await startArtifactapi(join(folder, 'artifactapi'), command, origin.base),
    await startNginx(join(folder, 'nginx'), programs.nginx, origin.base, options['nginx-log']),
  ]
  console.log(
    `artifactapi: ${command.join(' ').replaceAll(`${root}/`, '')}; nginx: ${programs.version}; ${cpus()[0].model}, ${cpus().length} cores`,
  )
  const [busy] = loadavg()
  if (busy > 0.5)
    console.log(`note: others use this machine (load ${busy.toFixed(1)}); trust CPU times more than rates`)
  const newer = command[0] === binary ? filesNewerThan(statSync(binary).mtimeMs) : []
  if (newer.length > 0)
    console.log(`note: dist/artifactapi is older than ${newer[0]}; \`npm run build\` makes it anew`)
  return {
    folder,
    origin,
    servers,
    command,
    sourceCommand,
    binaryCommand: [binary],
    node: node(),
    crowd: join(root, 'scripts/bench/crowd.mjs'),
    rssOf: rssMegabytes,
    isQuick: options.quick,
    rounds: Number(options.rounds ?? (options.quick ? 1 : 3)),
    seconds: Number(options.seconds ?? (options.quick ? 2 : 5)),
    missWaitMs: 250,
  }
}

function preflight() {
  const packages = { nginx: 'nginx-light', wrk: 'wrk', curl: 'curl', taskset: 'util-linux' }
  const absent = Object.keys(packages).filter(
    name => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
  )
  if (absent.length > 0) {
    console.error(
      `The benchmark needs ${absent.join(', ')}: apt-get install ${absent.map(name => packages[name]).join(' ')}`,
    )
    process.exit(2)
  }
  if (cpus().length < 2) {
    console.error('The benchmark needs two cores: one for the server, one for the load')
    process.exit(2)
  }
  const version = spawnSync('nginx', ['-v'], { encoding: 'utf8' })
    .stderr.trim()
    .replace('nginx version: ', '')
  return { nginx: 'nginx', version }
}

const work = isScale ? scale(process.argv.slice(3)) : main()
work
  .catch(error => {
    console.error(error.message)
    return 1
  })
  .then(code => process.exit(code))
