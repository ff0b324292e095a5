// Rewrites a regular expression into a smaller one that matches the same paths: a leading or trailing `.*` goes,
// and so does whatever a neighbouring `.*` swallows anyway. `spellOut` then leaves nothing but the simplest words.

import { isAnyChar } from './regex-sets.ts'
import { type ParsedRegex, type Regex, refusal } from './regex-syntax.ts'

const EMPTY: Regex = { kind: 'sequence', items: [] }
const LIMIT_POSITIONS = 300

/** The alternatives of the pattern; one that matches is enough. */
export function simplify(parsed: ParsedRegex): Regex[] {
  const root = tidy(parsed.root, parsed.hasReferences)
  // Groups are counted over the whole pattern.
  const alternatives = root.kind === 'choice' && !parsed.hasReferences ? root.options : [root]
  return alternatives.map(trimEdges)
}

/**
 * The same without counted repeats: what is left repeats without end, from none or from one. Refuses what would
 * become too large.
 */
export function spellOut(source: string, root: Regex): Regex {
  let positions = 0
  const visit = (node: Regex): Regex => {
    if (node.kind === 'set' && ++positions > LIMIT_POSITIONS) {
      throw refusal(source, `spelled out it has more than ${LIMIT_POSITIONS} characters; use smaller counts`)
    }
    if (node.kind === 'sequence') return { kind: 'sequence', items: node.items.map(visit) }
    if (node.kind === 'choice') return { kind: 'choice', options: node.options.map(visit) }
    if (node.kind === 'group' || node.kind === 'look') return { ...node, body: visit(node.body) }
    if (node.kind !== 'repeat') return node
    const { body, min, max } = node
    if (max === Number.POSITIVE_INFINITY) {
      const before = Array.from({ length: Math.max(0, min - 1) }, () => visit(body))
      const loop: Regex = { kind: 'repeat', body: visit(body), min: Math.min(min, 1), max }
      return { kind: 'sequence', items: [...before, loop] }
    }
    const before = Array.from({ length: min }, () => visit(body))
    let tail = EMPTY
    for (let left = max - min; left > 0; left--) {
      tail = { kind: 'choice', options: [{ kind: 'sequence', items: [visit(body), tail] }, EMPTY] }
    }
    return { kind: 'sequence', items: [...before, tail] }
  }
  return visit(root)
}

/** `.*`, `.+`, `.{3,}`: how many characters it needs at least; null = something else. */
function gapMin(node: Regex | undefined): number | null {
  if (node?.kind !== 'repeat' || node.max !== Number.POSITIVE_INFINITY) return null
  return node.body.kind === 'set' && isAnyChar(node.body.set) ? node.min : null
}

/** Groups melt into what surrounds them, unless something refers to them. */
function tidy(node: Regex, keepsGroups: boolean): Regex {
  if (node.kind === 'group') {
    const body = tidy(node.body, keepsGroups)
    return keepsGroups ? { kind: 'group', body } : body
  }
  if (node.kind === 'look') return { ...node, body: tidy(node.body, keepsGroups) }
  if (node.kind === 'choice')
    return { kind: 'choice', options: node.options.map(each => tidy(each, keepsGroups)) }
  if (node.kind === 'repeat') {
    const body = tidy(node.body, keepsGroups)
    return node.min === 1 && node.max === 1 ? body : { ...node, body }
  }
  if (node.kind !== 'sequence') return node
  const flat = node.items.flatMap(item => {
    const tidied = tidy(item, keepsGroups)
    return tidied.kind === 'sequence' ? tidied.items : [tidied]
  })
  const items = absorb(flat, keepsGroups)
  return items.length === 1 && items[0] !== undefined ? items[0] : { kind: 'sequence', items }
}

/** `[0-9]+.*` is `[0-9].*`, and `.*.*` is `.*`. */
function absorb(items: readonly Regex[], keepsGroups: boolean): Regex[] {
  const forward = shortenAfterGaps(items, keepsGroups)
  return shortenAfterGaps(forward.reverse(), keepsGroups).reverse()
}

function shortenAfterGaps(items: readonly Regex[], keepsGroups: boolean): Regex[] {
  const kept: Regex[] = []
  for (const item of items) {
    const before = kept.at(-1)
    const gap = gapMin(before)
    if (gap === null || item.kind !== 'repeat' || (keepsGroups && item.body.kind !== 'set')) {
      kept.push(item)
      continue
    }
    const other = gapMin(item)
    if (other !== null) kept.splice(-1, 1, { ...item, min: gap + other })
    else if (item.min > 0) kept.push({ ...item, max: item.min })
  }
  return kept
}

/** The search starts and ends anywhere, so a gap at either edge says only how long it is at least. */
function trimEdges(alternative: Regex): Regex {
  const items = alternative.kind === 'sequence' ? [...alternative.items] : [alternative]
  const isAssert = (node: Regex | undefined, what: string) => node?.kind === 'assert' && node.what === what
  const lead = isAssert(items[0], 'start') ? 1 : 0
  const leading = gapMin(items[lead])
  if (leading !== null) items.splice(0, lead + 1, ...exactly(items[lead], leading))
  const trail = isAssert(items.at(-1), 'end') ? 1 : 0
  const trailingAt = items.length - 1 - trail
  const trailing = gapMin(items[trailingAt])
  if (trailing !== null) items.splice(trailingAt, trail + 1, ...exactly(items[trailingAt], trailing))
  return { kind: 'sequence', items }
}

function exactly(gap: Regex | undefined, count: number): Regex[] {
  return gap?.kind === 'repeat' && count > 0 ? [{ ...gap, min: count, max: count }] : []
}
