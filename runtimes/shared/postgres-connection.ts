// A connection to Postgres over a socket of Node.

import { connect as connectSocket, isIP, type Socket } from 'node:net'
import { rootCertificates } from 'node:tls'
import type {
  ConnectionHooks,
  PostgresConnection,
  PostgresOptions,
} from '../../src/drivers/postgres-connection.ts'
import { coded, openPostgresClient } from './postgres-client.ts'

const DIAL_MS = 3_000

export async function connectPostgres(
  options: PostgresOptions,
  hooks: ConnectionHooks,
): Promise<PostgresConnection> {
  const socket = await dial(options)
  return openPostgresClient(options, hooks, socket, options.tls === 'disable' ? false : tlsOptions(options))
}

function dial({ host, port }: PostgresOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const isFile = host.startsWith('/')
    const socket = connectSocket(isFile ? { path: `${host}/.s.PGSQL.${port}` } : { host, port })
    const timer = setTimeout(() => {
      socket.destroy()
      reject(coded('ETIMEDOUT', `no connection within ${DIAL_MS / 1000} s`))
    }, DIAL_MS)
    socket.once('error', error => {
      clearTimeout(timer)
      reject(error)
    })
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.removeAllListeners('error')
      // Nobody else hears of it between here and the first statement.
      socket.on('error', () => {})
      socket.setNoDelay(true)
      resolve(socket)
    })
  })
}

/** `host` is what the name of the certificate is compared with. */
function tlsOptions({ host, tls, ca }: PostgresOptions): object {
  return {
    host,
    servername: isIP(host) === 0 ? host : undefined,
    rejectUnauthorized: tls === 'verify-full',
    ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
  }
}
