// What a body hashes to. Blobs are named by sha256; protocols speak of other algorithms too, and an
// expected digest of any of them is checked before an object is kept.

export const ALGORITHMS = ['sha256', 'sha512', 'sha384', 'sha1', 'md5'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

export interface Digest {
  readonly algorithm: Algorithm
  /** Lower case hexadecimal. */
  readonly hex: string
}

const HEX_LENGTH: Record<Algorithm, number> = { sha256: 64, sha512: 128, sha384: 96, sha1: 40, md5: 32 }

export function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}

/** Reads `sha256:<hex>`; null when it is not a digest of a known algorithm. */
export function parseDigest(text: string): Digest | null {
  const colon = text.indexOf(':')
  return digestOf(text.slice(0, colon), text.slice(colon + 1))
}

export function digestOf(algorithm: string, hex: string): Digest | null {
  const known = ALGORITHMS.find(name => name === algorithm.toLowerCase().replace('-', ''))
  if (known === undefined || hex.length !== HEX_LENGTH[known] || !/^[0-9a-fA-F]+$/.test(hex)) return null
  return { algorithm: known, hex: hex.toLowerCase() }
}

export function printDigest(digest: Digest): string {
  return `${digest.algorithm}:${digest.hex}`
}

/** The digests in a `Repr-Digest` or the older `Digest` header; those of unknown algorithms are left out. */
export function parseDigestHeader(header: string): Digest[] {
  const found: Digest[] = []
  for (const member of header.split(',')) {
    const match = /^\s*([\w-]+)\s*=\s*:?([A-Za-z0-9+/_=-]+?):?\s*$/.exec(member)
    const hex = match?.[2] === undefined ? null : base64ToHex(match[2])
    const digest = match?.[1] !== undefined && hex !== null ? digestOf(match[1], hex) : null
    if (digest !== null) found.push(digest)
  }
  return found
}

/** RFC 9530 `Repr-Digest` of a body whose sha256 is known. */
export function printReprDigest(sha256: string): string {
  return `sha-256=:${hexToBase64(sha256)}:`
}

export function base64ToHex(text: string): string | null {
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
    let hex = ''
    for (let i = 0; i < binary.length; i++) hex += binary.charCodeAt(i).toString(16).padStart(2, '0')
    return hex
  } catch {
    return null
  }
}

export function hexToBase64(hex: string): string {
  let binary = ''
  for (let i = 0; i < hex.length; i += 2)
    binary += String.fromCharCode(Number.parseInt(hex.slice(i, i + 2), 16))
  return btoa(binary)
}
