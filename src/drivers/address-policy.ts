// Which addresses an origin may lead to. Everything that is not plainly the public internet is refused to hosts
// that an origin only names; the list errs on the side of refusing (RFC 6890 and the IANA special registries).

export type AddressClass =
  /** The public internet. */
  | 'public'
  /** Somebody's own network: open to an origin that lives there itself. */
  | 'private'
  /** Link-local (cloud metadata), unspecified, multicast, reserved: only when `base_url` says exactly this address. */
  | 'closed'

export function classifyAddress(ip: string): AddressClass {
  const four = parseIpv4(ip)
  if (four !== null) return classify4(four)
  const six = parseIpv6(ip)
  return six === null ? 'closed' : classify6(six)
}

/** True for an IP literal as `URL.hostname` writes it, brackets included. */
export function isAddress(hostname: string): boolean {
  return parseIpv4(hostname) !== null || hostname.startsWith('[')
}

export function stripBrackets(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

/** Whether two spellings mean the same address. */
export function isSameAddress(a: string, b: string): boolean {
  const [left, right] = [a, b].map(ip => (parseIpv4(ip) ?? parseIpv6(ip))?.join('.'))
  return left !== undefined && left === right
}

const CLASSES_4: readonly (readonly [network: string, bits: number, AddressClass])[] = [
  ['0.0.0.0', 8, 'closed'],
  ['10.0.0.0', 8, 'private'],
  ['100.64.0.0', 10, 'private'],
  ['127.0.0.0', 8, 'private'],
  ['169.254.0.0', 16, 'closed'],
  ['172.16.0.0', 12, 'private'],
  ['192.0.0.0', 24, 'closed'],
  ['192.0.2.0', 24, 'closed'],
  ['192.88.99.0', 24, 'closed'],
  ['192.168.0.0', 16, 'private'],
  ['198.18.0.0', 15, 'private'],
  ['198.51.100.0', 24, 'closed'],
  ['203.0.113.0', 24, 'closed'],
  ['224.0.0.0', 3, 'closed'],
]

function classify4(octets: readonly number[]): AddressClass {
  const value = toNumber(octets)
  for (const [network, bits, found] of CLASSES_4) {
    const size = 2 ** (32 - bits)
    const first = toNumber(network.split('.').map(Number))
    if (value >= first && value < first + size) return found
  }
  return 'public'
}

function classify6(words: readonly number[]): AddressClass {
  const [w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0, w5 = 0, w6 = 0, w7 = 0] = words
  const isLow = w0 === 0 && w1 === 0 && w2 === 0 && w3 === 0 && w4 === 0
  if (isLow && w5 === 0 && w6 === 0 && w7 === 1) return 'private' // ::1
  if (isLow && (w5 === 0xffff || w5 === 0)) return classifyEmbedded(w6, w7) // mapped, and the compatible form of old
  if (w0 === 0x64 && w1 === 0xff9b) {
    // NAT64: the well-known prefix carries an IPv4 address; 64:ff9b:1::/48 is an operator's own.
    const isWellKnown = w2 === 0 && w3 === 0 && w4 === 0 && w5 === 0
    return isWellKnown ? classifyEmbedded(w6, w7) : 'private'
  }
  if (w0 === 0x2002) return classifyEmbedded(w1, w2) // 6to4
  if ((w0 & 0xfe00) === 0xfc00) return 'private' // unique local
  if ((w0 & 0xffc0) === 0xfec0) return 'private' // site-local of old
  if ((w0 & 0xe000) !== 0x2000) return 'closed' // link-local, multicast, and all that is not global unicast
  if (w0 === 0x2001 && (w1 < 0x0200 || w1 === 0x0db8)) return 'closed' // Teredo, ORCHID …, documentation
  if (w0 === 0x3fff && w1 < 0x1000) return 'closed' // documentation
  return 'public'
}

function classifyEmbedded(high: number, low: number): AddressClass {
  return classify4([high >> 8, high & 255, low >> 8, low & 255])
}

function parseIpv4(text: string): number[] | null {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number)
  return octets === undefined || octets.some(octet => octet > 255) ? null : octets
}

function parseIpv6(text: string): number[] | null {
  const bare = stripBrackets(text).replace(/%.*$/, '')
  // The URL parser knows every spelling of an IPv6 address; it leaves one.
  const url = `http://[${bare}]/`
  if (!URL.canParse(url)) return null
  const [left = '', right] = stripBrackets(new URL(url).hostname).split('::')
  const head = toWords(left)
  const tail = toWords(right ?? '')
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

function toWords(text: string): number[] {
  return text === '' ? [] : text.split(':').map(word => Number.parseInt(word, 16))
}

function toNumber(octets: readonly number[]): number {
  return octets.reduce((sum, octet) => sum * 256 + octet, 0)
}
