// Patterns of the configuration: regular expressions as Python spells them, searched anywhere in a path. Every
// pattern that is let in answers in time linear in the path (or close to it, where it refers back); what could be
// slow is refused when it is loaded.

import { refuseAmbiguousRepeats, refuseNestedRepeats } from './regex-checks.ts'
import { compileMachine } from './regex-machine.ts'
import { compileNative } from './regex-native.ts'
import { simplify, spellOut } from './regex-shape.ts'
import { parseRegex } from './regex-syntax.ts'

export interface Pattern {
  /** As written in the configuration. */
  readonly source: string
  /** Searched anywhere in the path. */
  test(path: string): boolean
}

/** Throws `settings-invalid`, saying what is wrong and what to write instead. */
export function compilePattern(source: string): Pattern {
  const parsed = parseRegex(source)
  refuseNestedRepeats(source, parsed.root)
  const tests = simplify(parsed).map(alternative => {
    const spelledOut = spellOut(source, alternative)
    refuseAmbiguousRepeats(source, spelledOut)
    return parsed.hasReferences ? compileNative(source, parsed, alternative) : compileMachine(spelledOut)
  })
  return { source, test: path => tests.some(test => test(path)) }
}
