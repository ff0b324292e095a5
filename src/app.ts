// Joins the rooms: services in, one fetch function out. The only file that knows which formats there are.

import { createCatalog, migrate } from './catalog/catalog.ts'
import { createStock } from './catalog/stock.ts'
import type { Format } from './formats/format.ts'
import { formats as allFormats } from './formats/index.ts'
import { createAuth } from './http/auth.ts'
import { createHotPath } from './http/hot-path.ts'
import { type Client, createJournal } from './http/journal.ts'
import { createManagement } from './http/management.ts'
import { createPackageDoor } from './http/packages.ts'
import { createPeerDoor } from './http/peers.ts'
import { problemText } from './http/problems.ts'
import { findPlace, rawTargetOf } from './http/requests.ts'
import { type BackedUp, type Backup, backup } from './manage/backup.ts'
import { type Collected, collect } from './manage/collector.ts'
import { createEventHub } from './manage/events.ts'
import { createFigures } from './manage/figures.ts'
import { type Allowance, type Maintenance, runMaintenance, startMaintenance } from './manage/maintenance.ts'
import { type Finding, type Repaired, repair } from './manage/repair.ts'
import { BACKUP_TAIL_BYTES, hasBackupEnd, type Restore, type Restored, restore } from './manage/restore.ts'
import { type Verified, verify } from './manage/scrub.ts'
import type { Store } from './manage/stores.ts'
import { type Transfer, type Transferred, transfer } from './manage/transfer.ts'
import { toProblem } from './model/problem.ts'
import { createRepositories, type Repositories } from './repositories/repositories.ts'
import type { Services } from './services.ts'

export interface App {
  /** Synchronous on the hot path: callers must not wait for it in vain. */
  fetch(request: Request, client?: Client): Response | Promise<Response>
  /** Answers the other processes that share the stores; for a server of its own address. */
  answerPeer(request: Request): Promise<Response>
  readonly repositories: Repositories
  /** Brings the tables up to date and reads the database's repositories. Must be over before the first request. */
  start(): Promise<void>
  /** For servers: does the work beside requests from now on, until `stop`. */
  maintain(): void
  /** For cron handlers: does it once. */
  maintainOnce(allow?: Allowance): Promise<void>
  /** Ends the work beside requests and writes down what is left. Twice is once. */
  stop(): Promise<void>
  /** Reads every stored blob back and compares it with its name. Brings the tables up to date first. */
  verify(): Promise<Verified>
  /** Checks rows as well, and sets right what can be; `tell` hears of everything that was wrong. */
  repair(tell: (finding: Finding) => void): Promise<Repaired>
  /** Removes the bytes that nothing refers to, or tells what would go. Brings the tables up to date first. */
  collect(isDryRun: boolean): Promise<Collected>
}

/** Package types this build has, for checking configurations. */
export const formatNames: readonly string[] = allFormats.map(format => format.name)

/** A secret that all who share the database know; the first who asks makes it. Brings the tables up to date first. */
export async function keepSecret(
  { database, clock }: Pick<Services, 'database' | 'clock'>,
  name: string,
  create: () => string,
): Promise<string> {
  await migrate(database)
  return createCatalog(database, clock).secret(name, create)
}

/** Rows and bytes that belong together, and the time they go by. */
export type StoreParts = Pick<Services, 'database' | 'blobs' | 'clock'>

type Between<Given> = Omit<Given, 'from' | 'to' | 'clock'>

/** Work on stores that no application is needed for. All of it brings the tables up to date first. */
export const stores = {
  /** Moves all of one into another. */
  move: async (from: StoreParts, to: StoreParts, more: Between<Transfer>): Promise<Transferred> =>
    transfer({ ...more, from: await openStore(from), to: await openStore(to), clock: from.clock }),
  /** Writes all of one into one file. */
  backup: async (from: StoreParts, more: Between<Backup>): Promise<BackedUp> =>
    backup({ ...more, from: await openStore(from), clock: from.clock }),
  /** Reads such a file. */
  restore: async (from: Restore['from'], to: StoreParts, more: Between<Restore>): Promise<Restored> =>
    restore({ ...more, from, to: await openStore(to) }),
  /** The last bytes of such a file, and whether they say that it is whole. */
  backupTailBytes: BACKUP_TAIL_BYTES,
  hasBackupEnd,
}

async function openStore({ database, blobs, clock }: StoreParts): Promise<Store> {
  await migrate(database)
  return { stock: createStock(database, clock), blobs }
}

export interface AppOptions {
  readonly formats?: readonly Format[]
  /** Off: every request goes the long way. The answers are the same. */
  readonly hotPath?: boolean
}

export function createApp(
  services: Services,
  { formats = allFormats, hotPath = true }: AppOptions = {},
): App {
  const repositories = createRepositories(services, formats)
  const { catalog, directory } = repositories
  const auth = createAuth(services.options)
  const events = createEventHub(services.clock, services.eventBroadcast)
  const journal = createJournal({ ...services, events })
  const hot = createHotPath({ services, catalog, directory, journal })
  const door = createPackageDoor({ repositories, auth, journal, hot })
  const figures = createFigures(repositories)
  const management = createManagement({ repositories, auth, journal, events, figures })

  const peerDoor = createPeerDoor({
    ...services,
    flights: repositories.flights,
    secret: repositories.peerSecret,
    figures: figures.own,
  })

  let maintenance: Maintenance | null = null

  function fetch(request: Request, client?: Client): Response | Promise<Response> {
    const rawTarget = rawTargetOf(request.url)
    // Who watches live sees every request: then all go the long way.
    if (hotPath && auth.isReadingOpen && !events.isHeard) {
      const answer = hot.answer(request, rawTarget)
      if (answer !== null) return answer
    }
    const exchange = journal.open(request, rawTarget, client)
    try {
      const place = findPlace(rawTarget)
      if (place !== null) return door.handle(request, place, exchange, rawTarget)
      return management.handle(request, exchange)
    } catch (error) {
      const response = problemText(
        toProblem(error, 'internal', 'Cannot answer'),
        request.method === 'HEAD',
        null,
      )
      journal.other(exchange, response.status)
      return response
    }
  }

  return {
    fetch,
    answerPeer: peerDoor.answer,
    repositories,
    async start() {
      await migrate(services.database)
      await directory.ready()
    },
    maintain() {
      maintenance ??= startMaintenance(repositories)
    },
    maintainOnce: allow => runMaintenance(repositories, allow),
    async stop() {
      events.close()
      const running = maintenance
      maintenance = null
      await running?.stop()
    },
    async verify() {
      await migrate(services.database)
      return verify(repositories)
    },
    async repair(tell) {
      await migrate(services.database)
      return repair(repositories, tell)
    },
    async collect(isDryRun) {
      await migrate(services.database)
      return collect(repositories, { dryRun: isDryRun })
    },
  }
}
