// What a runtime's HTTP server is to the program that starts it.

import { networkInterfaces } from 'node:os'
import { Problem } from '../../src/model/problem.ts'
import type { Delivery } from '../../src/ports/delivery.ts'
import type { ListenAddress } from './environment.ts'

export interface HttpServer {
  readonly delivery: Delivery
  /** Rejects with a `code` such as EADDRINUSE when it cannot listen there. */
  listen(options: ListenOptions): Promise<Listening>
}

export interface ListenOptions {
  readonly address: ListenAddress
  /** Other processes listen there too, and the system shares connections out. */
  readonly isSharedPort?: boolean
  /** Answers every request whose path is safe to read. */
  answer(request: Request, client: { readonly address: string | null }): Response | Promise<Response>
  /** Hears of what went wrong outside of `answer`. */
  onError(error: unknown): void
}

export interface Listening {
  readonly port: number
  /** Accepts no more; resolves when the last running answer has ended. */
  stop(): Promise<void>
  /** Breaks off whatever still runs. */
  kill(): Promise<void>
}

/** The answer where the application itself failed to give one. */
export function internalError(): Response {
  return refusal(500, 'Cannot answer: internal error, see the log')
}

/** The answer instead of one whose body failed before its headers were sent. */
export function brokenBody(error: unknown): Response {
  return error instanceof Problem ? refusal(error.status, error.message) : internalError()
}

function refusal(status: number, reason: string): Response {
  return new Response(`${reason}\n`, { status, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}

/** The name that stands for all addresses of this machine, of both families where it has both. */
export function everyInterface(): string {
  const addresses = Object.values(networkInterfaces()).flatMap(each => each ?? [])
  return addresses.some(({ family }) => family === 'IPv6') ? '::' : '0.0.0.0'
}

/** An IPv4 client of a socket for both families, as itself. */
export function plainAddress(address: string | null | undefined): string | null {
  return address?.replace(/^::ffff:(?=\d+\.)/, '') ?? null
}
