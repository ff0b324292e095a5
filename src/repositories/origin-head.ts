// What the headers of an origin's answer say of its body.

import { base64ToHex, type Digest, digestOf, parseDigestHeader } from '../model/digest.ts'
import type { OriginHead } from '../model/object.ts'

export function originHeadOf(headers: Headers): OriginHead {
  const length = headers.get('content-length')
  const encoding = headers.get('content-encoding')
  return {
    size: length !== null && /^\d{1,15}$/.test(length) ? Number(length) : null,
    contentType: headers.get('content-type'),
    contentEncoding: encoding === null || encoding.toLowerCase() === 'identity' ? null : encoding,
    etag: headers.get('etag'),
    lastModified: headers.get('last-modified'),
  }
}

/** Digests of the bytes as sent, where the origin tells them. */
export function bodyDigestsOf(headers: Headers): Digest[] {
  const digests = [
    ...parseDigestHeader(headers.get('repr-digest') ?? ''),
    ...parseDigestHeader(headers.get('content-digest') ?? ''),
  ]
  const md5 = headers.get('content-md5')
  const hex = md5 === null ? null : base64ToHex(md5)
  const digest = hex === null ? null : digestOf('md5', hex)
  return digest === null ? digests : [...digests, digest]
}

/** A validator that names these very bytes. */
export function isStrong(etag: string | null): boolean {
  return etag?.startsWith('"') === true
}
