// One address of the management surface: what it answers to each method, and what all of them share (who may, HEAD,
// `Allow`, the size of bodies).

import type { Context, Hono } from 'hono'
import type { EventHub } from '../../manage/events.ts'
import type { Figures } from '../../manage/figures.ts'
import { Problem } from '../../model/problem.ts'
import type { Repositories } from '../../repositories/repositories.ts'
import type { Auth } from '../auth.ts'

const BODY_LIMIT_BYTES = 1024 * 1024

export interface ManageParts {
  readonly repositories: Repositories
  readonly auth: Auth
  readonly events: EventHub
  readonly figures: Figures
}

export type Handler = (context: Context) => Response | Promise<Response>

export interface Route {
  readonly path: string
  /** GET is open to all, whatever the reading rule says, and asks nothing of the database. */
  readonly isOpen?: boolean
  readonly GET?: Handler
  readonly PUT?: Handler
  readonly POST?: Handler
  readonly DELETE?: Handler
}

export function mount(app: Hono, { auth, repositories }: ManageParts, route: Route): void {
  const methods = (['GET', 'PUT', 'POST', 'DELETE'] as const).filter(method => route[method] !== undefined)
  const allow = methods.flatMap(method => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ')
  app.all(route.path, async context => {
    const { method, path } = context.req
    const known = methods.find(each => each === (method === 'HEAD' ? 'GET' : method))
    const handler = known === undefined ? undefined : route[known]
    if (method === 'OPTIONS') return new Response(null, { status: 204, headers: { allow } })
    if (handler === undefined) {
      throw new Problem('method-not-allowed', `${method} is not possible at ${path}; ${allow} is`, { allow })
    }
    if (known !== 'GET') auth.requireAdmin(context.req.raw)
    else if (route.isOpen !== true) auth.requireReader(context.req.raw)
    if (route.isOpen !== true) await repositories.directory.ready()
    return handler(context)
  })
}

export function json(
  context: Context,
  value: unknown,
  options: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): Response {
  const text = `${JSON.stringify(value, null, 2)}\n`
  return textAnswer(context, 'application/json', text, options)
}

export function textAnswer(
  context: Context,
  contentType: string,
  text: string,
  {
    status = 200,
    headers,
  }: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> },
): Response {
  const body = new TextEncoder().encode(text)
  return new Response(context.req.method === 'HEAD' ? null : body, {
    status,
    headers: {
      ...headers,
      'content-type': contentType,
      'content-length': String(body.byteLength),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    },
  })
}

/** The JSON value of the body, whatever its declared type; undefined when the body is empty. */
export async function readJson(context: Context): Promise<unknown> {
  const text = await readText(context.req.raw)
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Problem('bad-request', `Cannot read the body: it is not JSON (${reason})`)
  }
}

async function readText({ body }: Request): Promise<string> {
  if (body === null) return ''
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    bytes += value.byteLength
    if (bytes > BODY_LIMIT_BYTES) {
      await reader.cancel().catch(() => {})
      throw new Problem('too-large', `Cannot read the body: it exceeds ${BODY_LIMIT_BYTES} bytes`)
    }
    text += decoder.decode(value, { stream: true })
  }
}

/** Scheme, host and path in front of everything this server serves. */
export function publicBaseOf({ services }: Repositories, context: Context): string {
  return services.options.publicUrl ?? new URL(context.req.url).origin
}

export function repositoryUrl(base: string, name: string, isVirtual: boolean): string {
  return `${base}/api/v1/${isVirtual ? 'virtual' : 'remote'}/${name}`
}
