// The order that databases have texts in: by their UTF-8 bytes, which is the order of their code points. JavaScript
// compares UTF-16 units, where what lies beyond 16 bits comes before U+E000.

const SURROGATES = 0xd800
const AFTER_SURROGATES = 0xe000
const UNITS = 0x10000

/** Negative, zero or positive, as `sort` wants it. */
export function compareBytes(one: string, other: string): number {
  const length = Math.min(one.length, other.length)
  for (let at = 0; at < length; at++) {
    const [a, b] = [one.charCodeAt(at), other.charCodeAt(at)]
    if (a !== b) return a >= SURROGATES && b >= SURROGATES ? rankOf(a) - rankOf(b) : a - b
  }
  return one.length - other.length
}

function rankOf(unit: number): number {
  return unit >= AFTER_SURROGATES ? unit : unit + UNITS
}
