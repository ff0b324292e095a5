// Messages over LISTEN and NOTIFY, on a connection of its own. What is published goes out in order, many messages in one
// notification; each notification has a number, so that whoever hears the next one knows what was lost and what came
// twice. The connection is asked now and then whether it still hears.

import type { Broadcast } from '../ports/broadcast.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import { armDeadline } from './deadline.ts'
import type { ConnectPostgres, PostgresConnection } from './postgres-connection.ts'
import { createBroadcastInbox } from './postgres-inbox.ts'
import { createBroadcastOutbox } from './postgres-outbox.ts'
import type { PostgresPool } from './postgres-pool.ts'
import { openSession } from './postgres-session.ts'

export interface PostgresBroadcastParts {
  readonly pool: PostgresPool
  readonly connect: ConnectPostgres
  readonly clock: Clock
  readonly log: Log
}

const PAUSE_MS = 250
const PULSE_MS = 2_000
const ANSWER_MS = 3_000
/** How long the end waits for an attempt to connect. */
const CLOSE_MS = 1_000

export function createPostgresBroadcast({ pool, connect, clock, log }: PostgresBroadcastParts): Broadcast {
  const channel = channelOf(pool.options.schema)
  const sender = crypto.randomUUID()
  const inbox = createBroadcastInbox(sender)
  const outbox = createBroadcastOutbox(sender, send)
  const closing = new AbortController()
  let isConnected = false

  async function send(payload: string): Promise<void> {
    try {
      await pool.use(pool.deadline(), connection =>
        connection.run('select pg_notify($1, $2)', [channel, payload], true),
      )
    } catch (error) {
      await clock.sleep(PAUSE_MS, closing.signal)
      throw error
    }
  }

  async function listen(): Promise<void> {
    while (!closing.signal.aborted) {
      await listenOnce().catch(error => log.debug('Cannot listen to other processes', { error }))
      isConnected = false
      await clock.sleep(PAUSE_MS, closing.signal)
    }
  }

  /** Until the connection is lost or silent. */
  async function listenOnce(): Promise<void> {
    const lost = new AbortController()
    const hooks = { onLost: () => lost.abort(), onNotification: inbox.receive }
    const connection = await openSession(await connect(pool.options, hooks), pool.options)
    const isOver = AbortSignal.any([lost.signal, closing.signal])
    const disconnect = () => {
      isConnected = false
    }
    lost.signal.addEventListener('abort', disconnect)
    try {
      await connection.run(`listen "${channel}"`)
      inbox.restart()
      isConnected = !isOver.aborted
      while (!isOver.aborted) {
        await clock.sleep(PULSE_MS, isOver)
        if (!isOver.aborted) await pulse(connection)
      }
    } finally {
      if (closing.signal.aborted) await connection.end()
      connection.destroy()
    }
  }

  async function pulse(connection: PostgresConnection): Promise<void> {
    const disarm = armDeadline(clock, ANSWER_MS, () => {
      isConnected = false
      pool.suspect('it does not answer')
      connection.destroy()
    })
    try {
      await connection.run('select 1', [], true)
    } finally {
      disarm()
    }
  }

  const listening = listen()
  return {
    publish(topic, message) {
      if (!closing.signal.aborted) outbox.add(topic, message)
    },
    subscribe: inbox.subscribe,
    isConnected: () => isConnected,
    async close() {
      closing.abort()
      isConnected = false
      await outbox.close()
      await Promise.race([listening, clock.sleep(CLOSE_MS)])
    },
  }
}

/** Longer names are no names to Postgres. Who shares one by accident hears messages of no meaning to it. */
function channelOf(schema: string): string {
  return `artifactapi ${schema}`.slice(0, 63).replaceAll('"', '_')
}
