// Asks a running server whether it is alive: what a container's health check runs, where there is no curl.
// It never waits longer than its limit, whatever answers at the other end.

import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { Problem } from '../../src/model/problem.ts'
import type { ListenAddress } from './environment.ts'

export interface HealthVerdict {
  readonly isGood: boolean
  readonly line: string
}

const LIMIT_MS = 3000

export async function checkHealth(url: string, limitMs = LIMIT_MS): Promise<HealthVerdict> {
  try {
    const status = await askStatus(url, limitMs)
    return { isGood: status === 200, line: `${url} answers ${status}` }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { isGood: false, line: `Cannot ask ${url}: ${reason}` }
  }
}

/** The health check of the server that listens there, as seen from its own machine. */
export function healthUrl({ host, port }: ListenAddress): string {
  if (port === 0) {
    throw new Problem(
      'settings-invalid',
      'Cannot find the server by LISTEN_ADDR: port 0 is another one at each start. Give its URL',
    )
  }
  const near = host === null || host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${near.includes(':') ? `[${near}]` : near}:${port}/health`
}

/** A URL without a path means the health check; null = not a URL of a server. */
export function toHealthUrl(text: string): string | null {
  if (!URL.canParse(text)) return null
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null
  if (url.pathname === '/') url.pathname = '/health'
  return url.href
}

function askStatus(url: string, limitMs: number): Promise<number> {
  const send = url.startsWith('https:') ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    const asked = send(url, { agent: false, headers: { connection: 'close' } }, answer => {
      clearTimeout(late)
      // The status says it all: the body is not waited for.
      asked.destroy()
      resolve(answer.statusCode ?? 0)
    })
    const late = setTimeout(() => {
      reject(new Error(`no answer within ${limitMs / 1000} s`))
      asked.destroy()
    }, limitMs)
    asked.on('error', error => {
      clearTimeout(late)
      reject(error)
    })
    asked.end()
  })
}
