// remotes.yaml: from text to settings, with file, line, column and key in every fault. The one door of the package
// `yaml`. An escape that YAML does not know (`"\.tgz$"`) is read in a pattern as the regex its author meant.

import {
  type Document,
  isMap,
  isScalar,
  LineCounter,
  type Node,
  parseDocument,
  type Range,
  visit,
  type YAMLError,
} from 'yaml'
import { type KeyPath, printFault } from '../model/faults.ts'
import { Problem } from '../model/problem.ts'
import type { Settings } from '../model/repository.ts'
import { type SettingsOptions, toSettings } from '../model/settings.ts'

export interface YamlOptions extends Omit<SettingsOptions, 'place'> {
  /** For messages. */
  readonly fileName: string
}

const LIMIT_CHARS = 4 * 1024 * 1024
const PATTERN_KEYS: readonly unknown[] = ['patterns', 'blocklist', 'immutable_patterns', 'mutable_patterns']

/** Throws `settings-invalid`, whose message has every fault on a line of its own. */
export function parseSettings(text: string, options: YamlOptions): Settings {
  const { fileName } = options
  if (text.length > LIMIT_CHARS) {
    throw invalid(fileName, [`${fileName}: it has ${text.length} characters, ${LIMIT_CHARS} are allowed`])
  }
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    stringKeys: false,
  })
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${fileName}:${Math.max(1, line)}:${Math.max(1, col)}`
  }
  const inPatterns = patternRangesOf(document)
  const isMeant = (error: YAMLError) =>
    error.code === 'BAD_DQ_ESCAPE' &&
    inPatterns.some(([from, to]) => from <= error.pos[0] && error.pos[0] < to)
  const broken = document.errors.filter(error => !isMeant(error))
  if (broken.length > 0) {
    throw invalid(
      fileName,
      broken.map(error => `${at(error.pos[0])}: ${explain(error)}`),
    )
  }
  const found = toSettings(toValue(document, fileName), {
    ...options,
    place: (path, isAboutKey) => at(offsetOf(document, path, isAboutKey)),
  })
  if (found.settings === null) {
    throw invalid(
      fileName,
      found.faults.map(
        fault => `${at(offsetOf(document, fault.path, fault.isAboutKey))}: ${printFault(fault)}`,
      ),
    )
  }
  const escapes = new Map(document.errors.map(error => [lines.linePos(error.pos[0]).line, at(error.pos[0])]))
  const warnings = [...escapes.values()].map(
    place =>
      `${place}: ${excerpt(text, place)} has an escape that YAML does not know; it is read as the regular expression it looks like. Write it in single quotes`,
  )
  const ofYaml = document.warnings.map(warning => `${at(warning.pos[0])}: ${warning.message}`)
  return { ...found.settings, warnings: [...ofYaml, ...warnings, ...found.settings.warnings] }
}

function invalid(fileName: string, faults: readonly string[]): Problem {
  return new Problem('settings-invalid', `Cannot use ${fileName}:\n${faults.join('\n')}`, { faults })
}

function toValue(document: Document, fileName: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const words = /alias count/i.test(reason)
      ? 'its aliases would grow it beyond measure; write it out'
      : reason
    throw new Problem(
      'settings-invalid',
      `Cannot use ${fileName}:\n${fileName}:1:1: ${words}`,
      {},
      { cause: error },
    )
  }
}

/** Where the scalars stand that are patterns. */
function patternRangesOf(document: Document): Range[] {
  const ranges: Range[] = []
  visit(document, {
    Pair(_, pair) {
      if (!isScalar(pair.key) || !PATTERN_KEYS.includes(pair.key.value)) return
      const range = rangeOf(pair.value)
      if (range !== null) ranges.push(range)
    },
  })
  return ranges
}

/** Where the value of a key stands, or the key itself, or the nearest thing above it that is written down. */
function offsetOf(document: Document, path: KeyPath, isAboutKey: boolean): number {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true)
    const key = path[length - 1]
    const pair = isMap(parent)
      ? parent.items.find(item => (isScalar(item.key) ? String(item.key.value) === String(key) : false))
      : undefined
    const isExact = length === path.length
    const value = rangeOf(pair === undefined ? document.getIn(path.slice(0, length), true) : pair.value)
    const ofKey = rangeOf(pair?.key)
    const range = isExact && !isAboutKey && !isMap(pair?.value) ? (value ?? ofKey) : (ofKey ?? value)
    if (range !== null) return range[0]
  }
  return rangeOf(document.contents)?.[0] ?? 0
}

function rangeOf(node: unknown): Range | null {
  const range: Node['range'] =
    typeof node === 'object' && node !== null && 'range' in node ? (node as Node).range : null
  return range ?? null
}

function excerpt(text: string, place: string): string {
  const line = text.split('\n')[Number(place.split(':').at(-2)) - 1] ?? ''
  const found = /"(?:[^"\\]|\\.)*"/.exec(line)
  return found === null ? 'this text' : found[0].slice(0, 80)
}

/** What the parser says, where its words are not plain enough. */
function explain(error: YAMLError): string {
  if (error.code === 'MULTIPLE_DOCS') return 'the file holds several documents; leave out what follows "---"'
  if (error.code === 'TAB_AS_INDENT') return 'lines are indented with spaces, not with tabs'
  if (error.code === 'DUPLICATE_KEY') return 'the key is there twice; leave one of them out'
  if (error.code === 'BAD_DQ_ESCAPE') return `${error.message}; in double quotes write "\\\\" for a backslash`
  return error.message.split('\n')[0] ?? error.message
}
