// Refuses what could make a search slow: repeats inside repeats, and repeats that can share the same characters
// in more than one way. Works on the positions of the pattern (Glushkov): two that can follow the same position,
// take the same character and both repeat are an ambiguity.

import { type CharSet, shareChar } from './regex-sets.ts'
import { type Regex, refusal } from './regex-syntax.ts'

/** Throws when repeats are nested. `root` as it was written. */
export function refuseNestedRepeats(source: string, root: Regex): void {
  const visit = (node: Regex, isRepeated: boolean): void => {
    if (node.kind === 'sequence') for (const item of node.items) visit(item, isRepeated)
    if (node.kind === 'choice') for (const option of node.options) visit(option, isRepeated)
    if (node.kind === 'group' || node.kind === 'look') visit(node.body, isRepeated)
    if (node.kind !== 'repeat') return
    const isEndless = node.max === Number.POSITIVE_INFINITY
    if (isRepeated && isEndless) {
      throw refusal(
        source,
        'it repeats a repeat, as "(a+)+" does, which can take for ever; repeat one set of characters instead, as in "[a-z0-9.]+"',
      )
    }
    visit(node.body, isRepeated || isEndless)
  }
  visit(root, false)
}

/** Throws when two repeats can share characters. `root` spelled out. */
export function refuseAmbiguousRepeats(source: string, root: Regex): void {
  const { sets, loops, follow, first } = positionsOf(source, root)
  for (const next of [first, ...follow]) {
    const repeated = [...next].filter(position => loops[position] !== null)
    repeated.forEach((a, index) => {
      const [own, rest] = [sets[a] ?? [], repeated.slice(index + 1)]
      const clash = rest.find(b => shareChar(own, sets[b] ?? []))
      if (clash === undefined) return
      const reason =
        loops[a] === loops[clash]
          ? 'it repeats something that matches the same text in two ways, as "(a|aa)+" does; write each alternative so that its first character tells them apart, or repeat one set of characters, as in "[a-z]+"'
          : 'two repeats with nothing required between them can take the same characters, as "a+a*" does; join them into one, as in "a+"'
      throw refusal(source, reason)
    })
  }
}

interface Positions {
  readonly sets: CharSet[]
  /** The repeat a position belongs to. */
  readonly loops: (number | null)[]
  readonly follow: Set<number>[]
  readonly first: ReadonlySet<number>
}

interface Span {
  readonly isNullable: boolean
  readonly first: readonly number[]
  readonly last: readonly number[]
}

const NOTHING: Span = { isNullable: true, first: [], last: [] }

function positionsOf(source: string, root: Regex): Positions {
  const sets: CharSet[] = []
  const loops: (number | null)[] = []
  const follow: Set<number>[] = []
  let loop: number | null = null
  let loopCount = 0

  const connect = (from: readonly number[], to: readonly number[]) => {
    for (const position of from) for (const next of to) follow[position]?.add(next)
  }

  function visit(node: Regex): Span {
    if (node.kind === 'set') {
      const position = sets.push(node.set) - 1
      loops.push(loop)
      follow.push(new Set())
      return { isNullable: false, first: [position], last: [position] }
    }
    if (node.kind === 'sequence') return node.items.map(visit).reduce(join, NOTHING)
    if (node.kind === 'choice') {
      const spans = node.options.map(visit)
      return {
        isNullable: spans.some(span => span.isNullable),
        first: spans.flatMap(span => span.first),
        last: spans.flatMap(span => span.last),
      }
    }
    if (node.kind === 'group') return visit(node.body)
    if (node.kind === 'repeat') return visitRepeat(node.body, node.min)
    // A look stands beside the text and is checked on its own; a reference takes what its group took.
    if (node.kind === 'look') refuseAmbiguousRepeats(source, node.body)
    return NOTHING
  }

  function visitRepeat(body: Regex, min: number): Span {
    loop = loopCount++
    const span = visit(body)
    loop = null
    if (span.isNullable) {
      throw refusal(
        source,
        'it repeats something that can be empty, as "(a?)*" does; repeat what is there, as in "a*"',
      )
    }
    connect(span.last, span.first)
    return { ...span, isNullable: min === 0 }
  }

  function join(left: Span, right: Span): Span {
    connect(left.last, right.first)
    return {
      isNullable: left.isNullable && right.isNullable,
      first: left.isNullable ? [...left.first, ...right.first] : left.first,
      last: right.isNullable ? [...left.last, ...right.last] : right.last,
    }
  }

  const { first } = visit(root)
  return { sets, loops, follow, first: new Set(first) }
}
