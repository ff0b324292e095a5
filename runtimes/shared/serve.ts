// A server from its start to its end: one process for a data directory, the application started before the first
// request is accepted, and every running answer given the time to end.

import process from 'node:process'
import { Problem } from '../../src/model/problem.ts'
import type { Log } from '../../src/ports/log.ts'
import { type AdminToken, keepAdminToken } from './admin-token.ts'
import { createDataDir, lockDataDir } from './data-dir.ts'
import type { Environment, ListenAddress } from './environment.ts'
import type { Ground } from './ground.ts'
import type { HttpServer, Listening, ListenOptions } from './http-server.ts'
import { type OpenApp, openApp, openLog } from './open-app.ts'
import { openPeerListener, type PeerListener } from './peer-listener.ts'
import { onSignals, watchErrors } from './signals.ts'
import { writeText } from './standard-output.ts'
import { currentPlace, tellServing, type WorkerPlace } from './worker-place.ts'
import { startWorkers } from './workers.ts'

/** How long running answers, and what they store, may take to end. */
const ENDING_MS = 30_000

export async function serve(ground: Ground, environment: Environment): Promise<void> {
  const server = await ground.openServer(environment.httpServer)
  if (server === null) {
    throw new Problem(
      'settings-invalid',
      `Cannot use HTTP_SERVER ${environment.httpServer}: ${ground.runtime} has no such server. Unset it`,
    )
  }
  const log = openLog(environment)
  watchErrors(log)
  const place = currentPlace()
  // Whoever starts workers holds the directory for them.
  if (place === null) holdDataDir(environment.dataDir)
  const admin = place === null ? keepToken(environment) : null
  if (place === null && environment.workers > 1) {
    refuseWorkers(ground)
    showToken(admin, urlOf(environment, environment.listen))
    startWorkers({ count: environment.workers, adminToken: admin?.token ?? null, log })
    return
  }
  await serveAlone(ground, server, environment, { log, place, admin })
}

interface Start {
  readonly log: Log
  readonly place: WorkerPlace | null
  readonly admin: AdminToken | null
}

async function serveAlone(
  ground: Ground,
  server: HttpServer,
  environment: Environment,
  { log, place, admin }: Start,
): Promise<void> {
  const onError = (error: unknown) => log.error('Cannot answer a request', { error })
  const peers = await openPeerListener(server, environment, place, onError)
  const opened = await openApp({
    runtime: ground.runtime,
    environment,
    transport: ground.openTransport(),
    delivery: server.delivery,
    log,
    adminToken: environment.options.adminToken ?? admin?.token ?? null,
    peerAddress: peers?.address ?? null,
    place,
  })
  await opened.app.start()
  opened.app.maintain()
  peers?.open(opened.app.answerPeer)
  const listening = await listenAt(server, {
    address: environment.listen,
    isSharedPort: place !== null,
    answer: opened.app.fetch,
    onError,
  })
  onSignals({
    log,
    end: () => endInOrder(opened, listening, peers, log),
    reload: () => opened.settings.reload(),
  })
  const url = urlOf(environment, listening)
  tell(opened, url, log)
  showToken(opened.admin ?? admin, url)
  if (place !== null && peers !== null) tellServing(place, peers.address)
}

function holdDataDir(dataDir: string): void {
  createDataDir(dataDir)
  const lock = lockDataDir(dataDir)
  process.on('exit', () => lock.release())
}

/** Null where the operator set one, or all replicas share one that the database keeps. */
function keepToken({ options, backends, dataDir }: Environment): AdminToken | null {
  return options.adminToken === null && backends.postgres === null ? keepAdminToken(dataDir) : null
}

function refuseWorkers({ runtime }: Ground): void {
  if (runtime !== 'deno') return
  throw new Problem('settings-invalid', 'Cannot use WORKERS on Deno: start one process, or use Bun or Node')
}

async function listenAt(server: HttpServer, options: ListenOptions): Promise<Listening> {
  try {
    return await server.listen(options)
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
    const reason = REASONS[code] ?? (error instanceof Error ? error.message : String(error))
    throw new Problem(
      'conflict',
      `Cannot listen on ${printAddress(options.address)}: ${reason}`,
      {},
      { cause: error },
    )
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is taken. Stop what listens there, or set LISTEN_ADDR',
  EACCES: 'this user may not. Use a port of 1024 or more in LISTEN_ADDR',
  EADDRNOTAVAIL: 'this machine has no such address. Set LISTEN_ADDR',
  ENOENT: 'there is no host of that name. Set LISTEN_ADDR',
  ENOTFOUND: 'there is no host of that name. Set LISTEN_ADDR',
}

async function endInOrder(
  { app, services, close }: OpenApp,
  listening: Listening,
  peers: PeerListener | null,
  log: Log,
): Promise<void> {
  const deadline = deadlineIn(ENDING_MS)
  if (!(await isOverBefore(deadline, listening.stop()))) {
    log.warn(`Answers that still ran after ${ENDING_MS / 1000} s were broken off`)
    await listening.kill()
  }
  await isOverBefore(deadline, app.stop())
  await isOverBefore(deadline, services.background.settle())
  // Others may still follow what was brought here.
  await peers?.listening.kill()
  await close()
}

function deadlineIn(ms: number): Promise<false> {
  return new Promise(resolve => setTimeout(resolve, ms, false))
}

function isOverBefore(deadline: Promise<false>, work: Promise<unknown>): Promise<boolean> {
  return Promise.race([work.then(() => true), deadline])
}

/** One line for each part that was chosen; on a terminal, how to begin as well. */
function tell({ services, settings }: OpenApp, url: string, log: Log): void {
  const { parts, runtime, version } = services
  const names = [...settings.current().repositories.keys()]
  if (process.stdout.isTTY) {
    writeText(
      1,
      `artifactapi ${version} on ${runtime} serves ${url}\n` +
        `  repositories of ${settings.origin}: ${names.join(', ') || 'none'}\n` +
        `  try: curl ${url}/\n`,
    )
  }
  for (const { name, product } of parts) log.info(`Using ${product} for ${name}`, { part: name, product })
  log.info(`Serving on ${url}`, {
    url,
    runtime,
    version,
    settings: settings.origin,
    repositories: names.length,
  })
}

function showToken(admin: AdminToken | null, url: string): void {
  if (admin === null || !admin.isNew) return
  writeText(
    2,
    `The admin token was generated, and is kept in ${admin.path}. It is shown only now:\n` +
      `  curl -H "Authorization: Bearer ${admin.token}" ${url}/api/v2/remotes\n`,
  )
}

function urlOf({ options, listen }: Environment, { port }: { readonly port: number }): string {
  if (options.publicUrl !== null) return options.publicUrl
  const host = listen.host ?? 'localhost'
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

function printAddress({ host, port }: ListenAddress): string {
  return `${host?.includes(':') ? `[${host}]` : (host ?? '')}:${port}`
}
