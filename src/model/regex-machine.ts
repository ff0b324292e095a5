// Searches a path for a regular expression in one pass, in time linear in its length whatever the pattern
// (Thompson's construction): all states the pattern can be in are advanced together, nothing is ever tried again.
// What it looks ahead or behind for is found for all positions beforehand, by a pass of its own.

import { type CharSet, hasChar, WORD_CHARS } from './regex-sets.ts'
import type { Regex } from './regex-syntax.ts'

type Look = Extract<Regex, { kind: 'look' }>

type Step =
  | { readonly kind: 'char'; readonly set: CharSet; readonly ascii: Uint8Array }
  | { readonly kind: 'split'; readonly a: number; readonly b: number }
  | { readonly kind: 'jump'; readonly a: number }
  | { readonly kind: 'assert'; readonly what: 'start' | 'end' | 'boundary' | 'inside' }
  | { readonly kind: 'look'; readonly index: number; readonly isNegative: boolean }
  | { readonly kind: 'match' }

/** Takes a pattern that is spelled out and has no references. */
export function compileMachine(root: Regex): (path: string) => boolean {
  const scan = compileScan(root, false)
  return path => scan(path, null)
}

/**
 * Goes over the path, from its end when `isBackward`. Without `found` it stops at the first match and says whether
 * there is one; with it, it marks every position where one ends.
 */
type Scan = (path: string, found: Uint8Array | null) => boolean

function compileScan(root: Regex, isBackward: boolean): Scan {
  const { steps, looks } = stepsOf(root, isBackward)
  const marks = new Uint32Array(steps.length)
  let stamp = 0
  let hasMatched = false
  let seen: readonly Uint8Array[] = []
  let waiting: number[] = []
  let upcoming: number[] = []

  /** Follows every way that needs no character. */
  function enter(state: number, path: string, at: number, list: number[]): void {
    for (let here = state; marks[here] !== stamp; ) {
      marks[here] = stamp
      const step = steps[here]
      if (step === undefined || step.kind === 'match') {
        hasMatched = true
        return
      }
      if (step.kind === 'char') {
        list.push(here)
        return
      }
      if (step.kind === 'split') {
        enter(step.a, path, at, list)
        here = step.b
      } else if (step.kind === 'jump') {
        here = step.a
      } else {
        const isTrue =
          step.kind === 'assert'
            ? holds(step.what, path, at)
            : (seen[step.index]?.[at] === 1) !== step.isNegative
        if (!isTrue) return
        here++
      }
    }
  }

  return (path, found) => {
    seen = looks.map(look => tableOf(look, path))
    waiting.length = 0
    stamp = nextStamp(marks, stamp)
    hasMatched = false
    for (let at = isBackward ? path.length : 0; ; ) {
      enter(0, path, at, waiting)
      if (hasMatched) {
        if (found === null) return true
        found[at] = 1
      }
      const code = isBackward ? codeBefore(path, at) : path.codePointAt(at)
      if (code === undefined) return false
      at += (code > 0xffff ? 2 : 1) * (isBackward ? -1 : 1)
      stamp = nextStamp(marks, stamp)
      hasMatched = false
      upcoming.length = 0
      for (const state of waiting) {
        const step = steps[state]
        if (step?.kind !== 'char') continue
        if (code < 128 ? step.ascii[code] === 1 : hasChar(step.set, code))
          enter(state + 1, path, at, upcoming)
      }
      const spent = waiting
      waiting = upcoming
      upcoming = spent
    }
  }
}

/** Where the path holds what is looked for: a pass against the direction of the look. */
function tableOf({ scan }: { readonly scan: Scan }, path: string): Uint8Array {
  const table = new Uint8Array(path.length + 1)
  scan(path, table)
  return table
}

function stepsOf(root: Regex, isBackward: boolean) {
  const steps: Step[] = []
  const looks: { readonly scan: Scan }[] = []
  const emit = (step: Step): number => steps.push(step) - 1

  function visit(node: Regex): void {
    if (node.kind === 'set') emit({ kind: 'char', set: node.set, ascii: asciiTable(node.set) })
    else if (node.kind === 'assert') emit(node)
    else if (node.kind === 'sequence') (isBackward ? node.items.toReversed() : node.items).forEach(visit)
    else if (node.kind === 'choice') visitChoice(node.options)
    else if (node.kind === 'repeat') visitRepeat(node.body, node.min)
    else if (node.kind === 'group') visit(node.body)
    else if (node.kind === 'look') visitLook(node)
  }

  function visitLook({ sign, body }: Look): void {
    const index = looks.push({ scan: compileScan(body, sign === '=' || sign === '!') }) - 1
    emit({ kind: 'look', index, isNegative: sign === '!' || sign === '<!' })
  }

  function visitChoice(options: readonly Regex[]): void {
    const exits: number[] = []
    options.forEach((option, index) => {
      const isLast = index === options.length - 1
      const split = isLast ? null : emit({ kind: 'jump', a: 0 })
      visit(option)
      if (split === null) return
      exits.push(emit({ kind: 'jump', a: 0 }))
      steps[split] = { kind: 'split', a: split + 1, b: steps.length }
    })
    for (const exit of exits) steps[exit] = { kind: 'jump', a: steps.length }
  }

  function visitRepeat(body: Regex, min: number): void {
    const skip = min === 0 ? emit({ kind: 'jump', a: 0 }) : null
    const start = steps.length
    visit(body)
    emit({ kind: 'split', a: start, b: steps.length + 1 })
    if (skip !== null) steps[skip] = { kind: 'split', a: start, b: steps.length }
  }

  visit(root)
  emit({ kind: 'match' })
  return { steps, looks }
}

function holds(what: 'start' | 'end' | 'boundary' | 'inside', path: string, at: number): boolean {
  if (what === 'start') return at === 0
  if (what === 'end') return at === path.length
  const isEdge = isWordAt(path, at - 1) !== isWordAt(path, at)
  return isEdge === (what === 'boundary')
}

function isWordAt(path: string, at: number): boolean {
  return at >= 0 && at < path.length && hasChar(WORD_CHARS, path.charCodeAt(at))
}

function asciiTable(set: CharSet): Uint8Array {
  return Uint8Array.from({ length: 128 }, (_, code) => (hasChar(set, code) ? 1 : 0))
}

function codeBefore(path: string, at: number): number | undefined {
  const pair = at >= 2 ? path.codePointAt(at - 2) : undefined
  if (pair !== undefined && pair > 0xffff) return pair
  return at >= 1 ? path.charCodeAt(at - 1) : undefined
}

/** Marks are compared with a number that grows; before it wraps they are wiped. */
function nextStamp(marks: Uint32Array, stamp: number): number {
  if (stamp < 0xfffffff0) return stamp + 1
  marks.fill(0)
  return 1
}
