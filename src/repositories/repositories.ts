// The engines, joined: everything that answers for a repository, opened by its name.

import { type Catalog, createCatalog } from '../catalog/catalog.ts'
import { withRecent } from '../catalog/recent.ts'
import type { Format } from '../formats/format.ts'
import { Problem } from '../model/problem.ts'
import type { FlightJob, Flights } from '../ports/flights.ts'
import type { Services } from '../services.ts'
import { type Breaker, createBreaker } from './breaker.ts'
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
  /** Throws `not-found`, and `not-built` for a format this build does not have. */
  open(name: string): Repository
}

export function createRepositories(services: Services, registered: readonly Format[]): Repositories {
  const formats = new Map(registered.map(format => [format.name, format]))
  const catalog = withRecent(createCatalog(services.database, services.clock), services.recentRows)
  const directory = createDirectory({ ...services, catalog })
  const breaker = createBreaker(services)
  const room = createStoreRoom(services)
  const flightParts = { services, formats, catalog, directory, breaker, room }
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

  return { services, formats, catalog, directory, flights, breaker, room, open }
}
