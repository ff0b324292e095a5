// Patterns that refer back (`(?P=name)`) are left to the runtime's own RegExp, which tries again and again: its steps
// on the longest path are counted beforehand, and what could need too many is refused.

import { type CharSet, isAnyChar } from './regex-sets.ts'
import { type ParsedRegex, type Regex, refusal } from './regex-syntax.ts'

/** A path has 2^10 characters at most; 2^14 steps take less than 5 ms, also where RegExp is interpreted. */
const PATH_BITS = 10
const LIMIT_BITS = 14
/** Comparing with what a group took is quick, and mostly ends at once. */
const REFERENCE_BITS = 3

/** Takes a pattern whose counted repeats are still counted. */
export function compileNative(source: string, parsed: ParsedRegex, root: Regex): (path: string) => boolean {
  const isAnchored =
    root.kind === 'sequence' && root.items[0]?.kind === 'assert' && root.items[0].what === 'start'
  const { cost } = measure(root, isAnchored ? 0 : PATH_BITS)
  if (cost > LIMIT_BITS) {
    throw refusal(
      source,
      'it refers back and repeats too often to be quick; anchor it with "^" and use fewer "*" and "+", or write out what it refers to',
    )
  }
  const expression = new RegExp(print(root), parsed.ignoresCase ? 'iu' : 'u')
  return path => expression.test(path)
}

interface Measure {
  /** log2 of the ways to get past this part. */
  readonly ways: number
  /** log2 of the steps that trying them takes. */
  readonly cost: number
}

function measure(node: Regex, before: number): Measure {
  if (node.kind === 'set' || node.kind === 'assert') return { ways: before, cost: before }
  if (node.kind === 'reference') return { ways: before, cost: before + REFERENCE_BITS }
  if (node.kind === 'group') return measure(node.body, before)
  if (node.kind === 'look') return { ways: before, cost: measure(node.body, before).cost }
  if (node.kind === 'sequence') {
    let ways = before
    let cost = before
    for (const item of node.items) {
      const part = measure(item, ways)
      ways = part.ways
      cost = Math.max(cost, part.cost)
    }
    return { ways, cost }
  }
  if (node.kind === 'choice') {
    const parts = node.options.map(option => measure(option, before))
    const choices = Math.log2(node.options.length)
    return {
      ways: Math.max(...parts.map(part => part.ways)) + choices,
      cost: Math.max(...parts.map(part => part.cost)) + choices,
    }
  }
  const once = measure(node.body, 0).ways
  const counts = node.max === Number.POSITIVE_INFINITY ? PATH_BITS : Math.log2(node.max - node.min + 1)
  const rounds = node.max === Number.POSITIVE_INFINITY ? 1 : node.max
  const ways = before + counts + once * rounds
  return { ways, cost: Math.max(ways, measure(node.body, before).cost + counts) }
}

function print(node: Regex): string {
  if (node.kind === 'set') return printSet(node.set)
  if (node.kind === 'assert') return { start: '^', end: '$', boundary: '\\b', inside: '\\B' }[node.what]
  if (node.kind === 'sequence') return node.items.map(print).join('')
  if (node.kind === 'choice') return `(?:${node.options.map(print).join('|')})`
  if (node.kind === 'group') return `(${print(node.body)})`
  if (node.kind === 'look') return `(?${node.sign}${print(node.body)})`
  if (node.kind === 'reference') return `(?:\\${node.group})`
  const max = node.max === Number.POSITIVE_INFINITY ? '' : node.max
  return `(?:${print(node.body)}){${node.min},${max}}`
}

function printSet(set: CharSet): string {
  if (isAnyChar(set)) return '[^]'
  const ranges = set.map(([first, last]) => `${printCode(first)}-${printCode(last)}`)
  return `[${ranges.join('')}]`
}

function printCode(code: number): string {
  return `\\u{${code.toString(16)}}`
}
