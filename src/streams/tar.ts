// Writes tar archives: the blocks that stand before and after the bytes of each file. Plain ustar; a name or a size that
// does not fit there comes in a pax record before it (POSIX.1-2017, pax, "pax Interchange Format").

export const BLOCK_BYTES = 512

/** What ends an archive. */
export const TAR_END: Uint8Array<ArrayBuffer> = new Uint8Array(2 * BLOCK_BYTES)

export interface TarFile {
  readonly name: string
  readonly size: number
  /** Epoch ms; told in whole seconds. */
  readonly modifiedAt: number
}

const NAME_BYTES = 100
/** Eleven octal digits. */
const SIZE_LIMIT = 8 ** 11
const encoder = new TextEncoder()

/** What stands before the bytes of a file. */
export function tarHeader(file: TarFile): Uint8Array<ArrayBuffer> {
  const name = encoder.encode(file.name)
  const records: [key: string, value: string][] = []
  if (name.byteLength > NAME_BYTES || name.some(byte => byte > 0x7e)) records.push(['path', file.name])
  if (file.size >= SIZE_LIMIT) records.push(['size', String(file.size)])
  const own = block('0', name.subarray(0, NAME_BYTES), file.size % SIZE_LIMIT, file.modifiedAt)
  if (records.length === 0) return own
  const pax = encoder.encode(records.map(([key, value]) => paxRecord(key, value)).join(''))
  const header = block('x', encoder.encode('PaxHeader'), pax.byteLength, file.modifiedAt)
  return joined([header, pax, tarPadding(pax.byteLength), own])
}

/** What stands after the bytes of a file. */
export function tarPadding(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES)
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  const bytes = encoder.encode(rest).byteLength
  const length = bytes + String(bytes + String(bytes).length).length
  return `${length}${rest}`
}

function block(type: '0' | 'x', name: Uint8Array, size: number, modifiedAt: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BLOCK_BYTES)
  const put = (at: number, text: string) => bytes.set(encoder.encode(text), at)
  const number = (value: number, digits: number) => value.toString(8).padStart(digits, '0')
  bytes.set(name)
  put(100, '0000600\0')
  put(108, '0000000\0')
  put(116, '0000000\0')
  put(124, `${number(size, 11)}\0`)
  put(136, `${number(Math.max(0, Math.floor(modifiedAt / 1000)), 11)}\0`)
  // The checksum is taken with its own place filled with blanks.
  put(148, '        ')
  put(156, type)
  put(257, 'ustar\u000000')
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  put(148, `${number(sum, 6)}\0 `)
  return bytes
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.byteLength
  }
  return whole
}
