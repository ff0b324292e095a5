// Flights of one process: a map from what is wanted to the flight that brings it.

import type { FlightJob, Flights, FlightView, RunningFlight } from '../ports/flights.ts'

export function createMemoryFlights(start: (job: FlightJob) => RunningFlight): Flights {
  const flying = new Map<string, RunningFlight>()

  return {
    async join(job) {
      const id = idOf(job)
      const running = flying.get(id)
      if (running?.isOpen) return viewOf(running, false)
      const flight = start(job)
      flying.set(id, flight)
      const land = () => {
        if (flying.get(id) === flight) flying.delete(id)
      }
      flight.done.then(land, land)
      return viewOf(flight, true)
    },
    async find(job) {
      const running = flying.get(idOf(job))
      return running?.isOpen ? viewOf(running, false) : null
    },
    isFlying: job => flying.has(idOf(job)),
    count: () => flying.size,
  }
}

function viewOf(flight: RunningFlight, isLeader: boolean): FlightView {
  return {
    get isLeader() {
      return isLeader && !flight.isFollowing
    },
    get isFollowing() {
      return flight.isFollowing
    },
    landing: flight.landing,
    done: flight.done,
    get isOpen() {
      return flight.isOpen
    },
    get arrived() {
      return flight.arrived
    },
    get rate() {
      return flight.rate
    },
    body: (first, last) => flight.body(first, last),
  }
}

function idOf({ repository, target }: FlightJob): string {
  return `${repository}\0${target.key}`
}
