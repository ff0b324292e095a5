// The engines, joined: everything that answers for a repository, opened by its name.

import { type Catalog, createCatalog } from '../catalog/catalog.ts'
import { withNews } from '../catalog/news.ts'
import { withRecent } from '../catalog/recent.ts'
import type { Format } from '../formats/format.ts'
import { Problem } from '../model/problem.ts'
import type { FlightJob, Flights } from '../ports/flights.ts'
import type { Peers } from '../ports/peers.ts'
import type { Services } from '../services.ts'
import { type Breaker, createBreaker } from './breaker.ts'
import { createConvoy } from './convoy.ts'
import { createDirectory, type Directory, requireRepository } from './directory.ts'
import { createFlightDeck } from './flight.ts'
import { createLocal } from './local.ts'
import { createRemote } from './remote.ts'
import type { Repository } from './repository.ts'
import { createStoreRoom, type StoreRoom } from './store-room.ts'
import { planTrip } from './trip.ts'
import { createVirtual } from './virtual.ts'

export interface Repositories {
  readonly services: Services
  readonly formats: ReadonlyMap<string, Format>
  readonly catalog: Catalog
  readonly directory: Directory
  readonly flights: Flights
  readonly breaker: Breaker
  readonly room: StoreRoom
  /** Null where no other process shares the stores. */
  readonly peers: Peers | null
  /** What the processes that share the stores know of each other. Throws while the database is away. */
  readonly peerSecret: () => Promise<string>
  /** Throws `not-found`, and `not-built` for a format this build does not have. */
  open(name: string): Repository
}

export function createRepositories(services: Services, registered: readonly Format[]): Repositories {
  const formats = new Map(registered.map(format => [format.name, format]))
  const { broadcast, clock, recentRows: limitRows } = services
  const books = withNews(createCatalog(services.database, clock), broadcast)
  const catalog = withRecent(books, { limitRows, broadcast, clock })
  const directory = createDirectory({ ...services, catalog })
  const breaker = createBreaker(services)
  const room = createStoreRoom(services)
  const peerSecret = createPeerSecret(catalog)
  const peers = services.peers?.(peerSecret) ?? null
  const convoy = createConvoy({ ...services, peers })
  const flightParts = { services, formats, catalog, directory, breaker, room, convoy }
  const flights = services.flights(createFlightDeck(flightParts))
  const plan = (job: FlightJob) => planTrip(flightParts, job)
  const opened = new WeakMap<object, Repository>()

  function open(name: string): Repository {
    const settings = requireRepository(directory, name)
    let repository = opened.get(settings)
    if (repository !== undefined) return repository
    const format = formats.get(settings.format)
    if (format === undefined) {
      throw new Problem(
        'not-built',
        `Cannot serve ${name}: this build has no package type "${settings.format}"`,
      )
    }
    const parts = { services, catalog, flights, settings, format, open, plan }
    if (settings.kind === 'remote') repository = createRemote(parts)
    else if (settings.kind === 'local') repository = createLocal(parts)
    else repository = createVirtual(parts)
    opened.set(settings, repository)
    return repository
  }

  return { services, formats, catalog, directory, flights, breaker, room, peers, peerSecret, open }
}

/** Made by the first process, read once by each. */
function createPeerSecret(catalog: Catalog): () => Promise<string> {
  let known: string | null = null
  return async () => {
    known ??= await catalog.secret('peers', () => {
      const bytes = crypto.getRandomValues(new Uint8Array(32))
      return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
    })
    return known
  }
}
