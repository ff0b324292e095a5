// Sets of code points, as sorted ranges that neither touch nor overlap: what a regular expression's `a`, `.`,
// `[^/]` and `\w` are. `\w`, `\d` and `\s` mean ASCII.

export type CharSet = readonly (readonly [first: number, last: number])[]

const LAST_CODE_POINT = 0x10ffff

export const ANY_CHAR: CharSet = [[0, LAST_CODE_POINT]]
export const DIGITS: CharSet = [[0x30, 0x39]]
export const SPACES: CharSet = [
  [0x09, 0x0d],
  [0x20, 0x20],
]
export const WORD_CHARS: CharSet = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]

export function isAnyChar(set: CharSet): boolean {
  return set.length === 1 && set[0]?.[0] === 0 && set[0][1] === LAST_CODE_POINT
}

export function hasChar(set: CharSet, code: number): boolean {
  for (const [first, last] of set) if (code <= last) return code >= first
  return false
}

export function unionOf(...sets: readonly CharSet[]): CharSet {
  const sorted = sets.flat().sort((a, b) => a[0] - b[0])
  const merged: [number, number][] = []
  for (const [first, last] of sorted) {
    const previous = merged.at(-1)
    if (previous !== undefined && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last)
    else merged.push([first, last])
  }
  return merged
}

export function allBut(set: CharSet): CharSet {
  const rest: [number, number][] = []
  let next = 0
  for (const [first, last] of set) {
    if (first > next) rest.push([next, first - 1])
    next = last + 1
  }
  if (next <= LAST_CODE_POINT) rest.push([next, LAST_CODE_POINT])
  return rest
}

export function shareChar(a: CharSet, b: CharSet): boolean {
  return a.some(([first, last]) => b.some(range => first <= range[1] && range[0] <= last))
}

/** The set and the other case of its letters. Ranges wider than any alphabet hold both cases already. */
export function inBothCases(set: CharSet): CharSet {
  const variants: [number, number][] = []
  for (const [first, last] of set) {
    if (last - first > 0x1000) continue
    for (let code = first; code <= last; code++) {
      const char = String.fromCodePoint(code)
      for (const variant of [char.toLowerCase(), char.toUpperCase()]) {
        const other = variant.codePointAt(0)
        if (other !== undefined && other !== code && variant === String.fromCodePoint(other)) {
          variants.push([other, other])
        }
      }
    }
  }
  return unionOf(set, variants)
}
