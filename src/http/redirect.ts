// A stored object that its repository lets clients fetch from the store itself: they are sent there, for a while, by
// an address that anyone may use. Only whoever wants the bytes is; a HEAD, and a copy that is still good, are answered
// here.

import type { RepositorySettings } from '../model/repository.ts'
import type { Outcome } from '../repositories/repository.ts'
import type { Services } from '../services.ts'
import { isNotModified } from './conditions.ts'
import { storedHeaders, validatorsOf } from './respond.ts'

/** It is to be used at once; a download that has begun goes on. */
const LINK_SECONDS = 15 * 60

/** Null: it is answered from here. */
export async function redirectTo(
  { blobs, clock }: Pick<Services, 'blobs' | 'clock'>,
  settings: RepositorySettings,
  request: Request,
  { row, how }: Extract<Outcome, { kind: 'stored' }>,
): Promise<Response | null> {
  // Who waited for a miss has it at hand.
  if (how === 'miss' || how === 'collapsed') return null
  // A store says nothing of how the bytes are encoded.
  if (!settings.redirects || request.method !== 'GET' || row.contentEncoding !== null) return null
  const headers = storedHeaders(row, how, clock.now())
  if (blobs.link === undefined || isNotModified(request.headers, validatorsOf(row, headers))) return null
  const location = await blobs.link(row.sha256, LINK_SECONDS, {
    contentType: headers.get('content-type') ?? '',
    contentDisposition: headers.get('content-disposition') ?? '',
  })
  const kept = ['x-artifact-source', 'cache-status', 'age'].map(
    name => [name, headers.get(name) ?? ''] as const,
  )
  return new Response(null, {
    status: 302,
    headers: { location, 'cache-control': 'no-store', 'content-length': '0', ...Object.fromEntries(kept) },
  })
}
