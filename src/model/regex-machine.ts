// Searches a path for a regular expression in one pass, in time linear in its length whatever the pattern
// (Thompson's construction): all states the pattern can be in are advanced together, nothing is ever tried again.

import { type CharSet, hasChar, WORD_CHARS } from './regex-sets.ts'
import type { Regex } from './regex-syntax.ts'

type Step =
  | { readonly kind: 'char'; readonly set: CharSet; readonly ascii: Uint8Array }
  | { readonly kind: 'split'; readonly a: number; readonly b: number }
  | { readonly kind: 'jump'; readonly a: number }
  | { readonly kind: 'assert'; readonly what: 'start' | 'end' | 'boundary' | 'inside' }
  | { readonly kind: 'match' }

/** Takes a pattern that is spelled out and has neither looks nor references. */
export function compileMachine(root: Regex): (path: string) => boolean {
  const steps = stepsOf(root)
  const marks = new Uint32Array(steps.length)
  let stamp = 0
  let waiting: number[] = []
  let upcoming: number[] = []

  /** Follows every way that needs no character; true when one of them is a match. */
  function enter(state: number, path: string, at: number, list: number[]): boolean {
    for (let here = state; marks[here] !== stamp; ) {
      marks[here] = stamp
      const step = steps[here]
      if (step === undefined || step.kind === 'match') return true
      if (step.kind === 'char') {
        list.push(here)
        return false
      }
      if (step.kind === 'split') {
        if (enter(step.a, path, at, list)) return true
        here = step.b
      } else if (step.kind === 'jump') {
        here = step.a
      } else if (holds(step.what, path, at)) {
        here++
      } else {
        return false
      }
    }
    return false
  }

  return path => {
    waiting.length = 0
    for (let at = 0; ; ) {
      if (at === 0) stamp = nextStamp(marks, stamp)
      if (enter(0, path, at, waiting)) return true
      const code = path.codePointAt(at)
      if (code === undefined) return false
      at += code > 0xffff ? 2 : 1
      stamp = nextStamp(marks, stamp)
      upcoming.length = 0
      for (const state of waiting) {
        const step = steps[state]
        if (step?.kind !== 'char') continue
        const fits = code < 128 ? step.ascii[code] === 1 : hasChar(step.set, code)
        if (fits && enter(state + 1, path, at, upcoming)) return true
      }
      const spent = waiting
      waiting = upcoming
      upcoming = spent
    }
  }
}

function stepsOf(root: Regex): Step[] {
  const steps: Step[] = []
  const emit = (step: Step): number => steps.push(step) - 1

  function visit(node: Regex): void {
    if (node.kind === 'set') emit({ kind: 'char', set: node.set, ascii: asciiTable(node.set) })
    else if (node.kind === 'assert') emit(node)
    else if (node.kind === 'sequence') node.items.forEach(visit)
    else if (node.kind === 'choice') visitChoice(node.options)
    else if (node.kind === 'repeat') visitRepeat(node.body, node.min)
    else if (node.kind === 'group') visit(node.body)
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
  return steps
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

/** Marks are compared with a number that grows; before it wraps they are wiped. */
function nextStamp(marks: Uint32Array, stamp: number): number {
  if (stamp < 0xfffffff0) return stamp + 1
  marks.fill(0)
  return 1
}
