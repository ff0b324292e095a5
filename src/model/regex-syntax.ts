// Reads a regular expression as Python (and Go) spell it into a tree. What cannot be read with the meaning its
// author gave it is refused here, with words on what to write instead; nothing is guessed.

import { Problem } from './problem.ts'
import {
  ANY_CHAR,
  allBut,
  type CharSet,
  DIGITS,
  inBothCases,
  SPACES,
  unionOf,
  WORD_CHARS,
} from './regex-sets.ts'

/** Greedy and lazy are the same here: only whether a path matches is ever asked. */
export type Regex =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'assert'; readonly what: 'start' | 'end' | 'boundary' | 'inside' }
  | { readonly kind: 'sequence'; readonly items: readonly Regex[] }
  | { readonly kind: 'choice'; readonly options: readonly Regex[] }
  | { readonly kind: 'repeat'; readonly body: Regex; readonly min: number; readonly max: number }
  | { readonly kind: 'group'; readonly body: Regex }
  | { readonly kind: 'look'; readonly sign: '=' | '!' | '<=' | '<!'; readonly body: Regex }
  | { readonly kind: 'reference'; readonly group: number }

export interface ParsedRegex {
  readonly root: Regex
  readonly ignoresCase: boolean
  readonly hasReferences: boolean
}

const LIMIT_CHARS = 1000
const LIMIT_DEPTH = 40
const LIMIT_REPEAT = 1000

export function parseRegex(source: string): ParsedRegex {
  const refuse = (reason: string): Problem => refusal(source, reason)
  if (source === '') throw refuse('it is empty; write ".*" to mean every path')
  if (source.length > LIMIT_CHARS) {
    throw refuse(`it has ${source.length} characters, ${LIMIT_CHARS} are allowed`)
  }
  if (/[\u0000-\u001f\u007f]/.test(source)) {
    throw refuse(
      String.raw`it contains a control character, which no path has; in YAML's double quotes "\b", "\t" and the like are control characters: use single quotes`,
    )
  }
  const reader = createReader(source, refuse)
  const flags = reader.takeFlags()
  const parser = createParser(reader, refuse, flags.includes('i'))
  const root = parser.choice()
  if (!reader.isAtEnd())
    throw refuse(`")" at ${reader.position()} closes nothing; write "\\)" for the character`)
  return { root, ignoresCase: flags.includes('i'), ...parser.found }
}

export function refusal(source: string, reason: string): Problem {
  return new Problem('settings-invalid', `Cannot use pattern '${source}': ${reason}`)
}

type Refuse = (reason: string) => Problem
type Reader = ReturnType<typeof createReader>

/** The text and where we are in it. */
function createReader(source: string, refuse: Refuse) {
  let at = 0
  return {
    isAtEnd: () => at >= source.length,
    position: () => at + 1,
    peek: () => source[at] ?? '',
    startsWith: (text: string) => source.startsWith(text, at),
    /** One code point; empty at the end. */
    next(): string {
      const code = source.codePointAt(at)
      const char = code === undefined ? '' : String.fromCodePoint(code)
      at += char.length
      return char
    },
    skip(text: string): boolean {
      if (!source.startsWith(text, at)) return false
      at += text.length
      return true
    },
    match(sticky: RegExp): RegExpExecArray | null {
      sticky.lastIndex = at
      const match = sticky.exec(source)
      if (match !== null) at = sticky.lastIndex
      return match
    },
    /** `(?i)` and its like, which stand before everything else. */
    takeFlags(): string {
      let flags = ''
      for (
        let match = this.match(/\(\?([A-Za-z]+)\)/y);
        match !== null;
        match = this.match(/\(\?([A-Za-z]+)\)/y)
      ) {
        flags += match[1] ?? ''
      }
      if (flags.includes('x')) throw refuse('"(?x)" is not understood; write it without spaces and comments')
      // A path has no line breaks, so "s" and "m" change nothing; "a" and "u" only widen `\w`.
      const unknown = /[^imsau]/.exec(flags)
      if (unknown !== null) throw refuse(`the flag "${unknown[0]}" is not understood; "(?i)" is`)
      return flags
    },
  }
}

function createParser(reader: Reader, refuse: Refuse, ignoresCase: boolean) {
  const names = new Map<string, number>()
  const found = { hasReferences: false }
  let groups = 0
  let depth = 0

  const setOf = (set: CharSet): Regex => ({ kind: 'set', set: ignoresCase ? inBothCases(set) : set })

  function choice(): Regex {
    if (++depth > LIMIT_DEPTH) throw refuse(`its groups are nested more than ${LIMIT_DEPTH} deep`)
    const options = [sequence()]
    while (reader.skip('|')) options.push(sequence())
    depth--
    return options.length === 1 && options[0] !== undefined ? options[0] : { kind: 'choice', options }
  }

  function sequence(): Regex {
    const items: Regex[] = []
    while (!reader.isAtEnd() && reader.peek() !== '|' && reader.peek() !== ')') items.push(quantified(atom()))
    return { kind: 'sequence', items }
  }

  function quantified(body: Regex): Regex {
    const start = reader.position()
    const bounds = takeBounds(reader)
    if (bounds === null) return body
    const [min, max] = bounds
    if (body.kind === 'assert' || body.kind === 'look')
      throw refuse(`the repeat at ${start} has nothing to repeat`)
    if (max < min) throw refuse(`the repeat at ${start} goes from ${min} down to ${max}`)
    if (min > LIMIT_REPEAT || (max !== Number.POSITIVE_INFINITY && max > LIMIT_REPEAT)) {
      throw refuse(`the repeat at ${start} counts beyond ${LIMIT_REPEAT}`)
    }
    reader.skip('?')
    if (reader.peek() === '+')
      throw refuse(`possessive repeats ("*+", "++") are not understood; leave out the last "+"`)
    if (takeBounds(reader) !== null) throw refuse(`two repeats follow each other at ${start}; leave one out`)
    return { kind: 'repeat', body, min, max }
  }

  function atom(): Regex {
    const start = reader.position()
    if (reader.peek() === '{' && takeBounds(reader) !== null) {
      throw refuse(`the repeat at ${start} has nothing to repeat`)
    }
    const char = reader.next()
    if (char === '.') return { kind: 'set', set: ANY_CHAR }
    if (char === '^') return { kind: 'assert', what: 'start' }
    if (char === '$') return { kind: 'assert', what: 'end' }
    if (char === '(') return group(start)
    if (char === '[') return { kind: 'set', set: charClass(start) }
    if (char === '\\') return escaped()
    if ('*+?'.includes(char))
      throw refuse(`"${char}" at ${start} has nothing to repeat; write "\\${char}" for the character`)
    return setOf(single(char))
  }

  function group(start: number): Regex {
    const close = (body: Regex): Regex => {
      if (!reader.skip(')')) throw refuse(`"(" at ${start} is not closed; write "\\(" for the character`)
      return body
    }
    const capture = (name: string | null): Regex => {
      groups++
      if (name !== null) {
        if (names.has(name)) throw refuse(`two groups are named "${name}"`)
        names.set(name, groups)
      }
      return close({ kind: 'group', body: choice() })
    }
    if (!reader.skip('?')) return capture(null)
    if (reader.skip(':')) return close(choice())
    const comment = reader.match(/#[^)]*\)/y)
    if (comment !== null) return { kind: 'sequence', items: [] }
    const name = reader.match(/P?<([A-Za-z_]\w*)>/y)
    if (name !== null) return capture(name[1] ?? null)
    const same = reader.match(/P=([A-Za-z_]\w*)\)/y)
    if (same !== null) return reference(names.get(same[1] ?? ''), same[1] ?? '')
    const sign = reader.match(/(<=|<!|=|!)/y)?.[1]
    if (sign === '=' || sign === '!' || sign === '<=' || sign === '<!') {
      return close({ kind: 'look', sign, body: choice() })
    }
    if (reader.peek() === '>') throw refuse('atomic groups "(?>…)" are not understood; write "(?:…)"')
    if (reader.peek() === '(') throw refuse('conditions "(?(1)…|…)" are not understood; write two patterns')
    if (/[A-Za-z-]/.test(reader.peek())) {
      throw refuse('flags are understood at the very start only, for the whole pattern: "(?i)…"')
    }
    throw refuse(`"(?${reader.peek()}" at ${start} is not understood; write "(?:…)" for a plain group`)
  }

  function reference(number: number | undefined, spelling: string): Regex {
    if (number === undefined || number > groups)
      throw refuse(`it refers to group "${spelling}" before there is one`)
    found.hasReferences = true
    return { kind: 'reference', group: number }
  }

  function escaped(): Regex {
    const number = reader.match(/[1-9]\d?(?!\d)/y)
    if (number !== null) return reference(Number(number[0]), number[0])
    const named = reader.match(/k<([A-Za-z_]\w*)>/y)
    if (named !== null) return reference(names.get(named[1] ?? ''), named[1] ?? '')
    if (reader.skip('A')) return { kind: 'assert', what: 'start' }
    if (reader.skip('Z') || reader.skip('z')) return { kind: 'assert', what: 'end' }
    if (reader.skip('b')) return { kind: 'assert', what: 'boundary' }
    if (reader.skip('B')) return { kind: 'assert', what: 'inside' }
    return setOf(escapedSet(reader, refuse))
  }

  function charClass(start: number): CharSet {
    const isNegated = reader.skip('^')
    if (reader.match(/\[:\w+:\]/y) !== null) {
      throw refuse('"[[:name:]]" is not understood; write the characters, as in "[A-Za-z]"')
    }
    const parts: CharSet[] = []
    for (let isFirst = true; isFirst || reader.peek() !== ']'; isFirst = false) {
      if (reader.isAtEnd()) throw refuse(`"[" at ${start} is not closed; write "\\[" for the character`)
      const low = member()
      if (reader.peek() !== '-' || reader.startsWith('-]')) {
        parts.push(low)
        continue
      }
      reader.skip('-')
      if (reader.isAtEnd()) throw refuse(`"[" at ${start} is not closed; write "\\[" for the character`)
      const high = member()
      const [first, last] = [onlyChar(low), onlyChar(high)]
      if (first === null || last === null || last < first) {
        throw refuse(
          `the range in the class at ${start} is no range; write "-" first or last for the character`,
        )
      }
      parts.push([[first, last]])
    }
    reader.next()
    const set = unionOf(...parts)
    // The other case belongs to the set before it is turned round.
    const whole = ignoresCase ? inBothCases(set) : set
    return isNegated ? allBut(whole) : whole
  }

  function member(): CharSet {
    const char = reader.next()
    return char === '\\' ? escapedSet(reader, refuse) : single(char)
  }

  return { choice, found }
}

/** What follows a backslash, where it stands for characters. */
function escapedSet(reader: Reader, refuse: Refuse): CharSet {
  const code = reader.match(/x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})/y)
  if (code !== null) {
    const value = Number.parseInt(code[1] ?? code[2] ?? code[3] ?? '', 16)
    if (value > 0x10ffff) throw refuse(`"\\${code[0]}" is no character`)
    return [[value, value]]
  }
  const char = reader.next()
  const set = CLASS_ESCAPES.get(char)
  if (set !== undefined) return set
  if (char === '') throw refuse('it ends in a backslash; write "\\\\" for the character')
  if (/[abfnrtv0]/.test(char)) throw refuse(`"\\${char}" is a control character, which no path has`)
  if (char === 'p' || char === 'P')
    throw refuse(`"\\${char}" is not understood; write the characters, as in "[A-Za-z]"`)
  if (/[A-Za-z0-9]/.test(char))
    throw refuse(`"\\${char}" is not understood; write "${char}" for the character`)
  return single(char)
}

const CLASS_ESCAPES: ReadonlyMap<string, CharSet> = new Map([
  ['d', DIGITS],
  ['D', allBut(DIGITS)],
  ['w', WORD_CHARS],
  ['W', allBut(WORD_CHARS)],
  ['s', SPACES],
  ['S', allBut(SPACES)],
])

function takeBounds(reader: Reader): readonly [number, number] | null {
  if (reader.skip('*')) return [0, Number.POSITIVE_INFINITY]
  if (reader.skip('+')) return [1, Number.POSITIVE_INFINITY]
  if (reader.skip('?')) return [0, 1]
  const counted = reader.match(/\{(?:(\d+)|(\d*),(\d*))\}/y)
  if (counted === null) return null
  const [, exact, low, high] = counted
  if (exact !== undefined) return [Number(exact), Number(exact)]
  return [Number(low === '' ? 0 : low), high === '' ? Number.POSITIVE_INFINITY : Number(high)]
}

function single(char: string): CharSet {
  const code = char.codePointAt(0) ?? 0
  return [[code, code]]
}

function onlyChar(set: CharSet): number | null {
  const [range] = set
  return set.length === 1 && range !== undefined && range[0] === range[1] ? range[0] : null
}
