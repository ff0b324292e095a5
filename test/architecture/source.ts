// Reads the project's own source as the architecture test wants it: code apart from comments and strings,
// imports with their kind. No parser: the language here is plain enough for a scanner of one pass.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

export interface SourceFile {
  /** From the root of the project, with `/`. */
  readonly path: string
  readonly text: string
  /** Without comments; strings are empty. */
  readonly code: string
  readonly strings: readonly string[]
  readonly imports: readonly Import[]
}

export interface Import {
  /** A path of the project, or the name of a package or a runtime module. */
  readonly to: string
  readonly isRelative: boolean
  /** Erased before it runs. */
  readonly isType: boolean
  /** `export … from`. */
  readonly isReexport: boolean
}

export function readSources(...folders: string[]): SourceFile[] {
  return folders
    .flatMap(folder => filesBelow(folder))
    .filter(path => /\.tsx?$/.test(path))
    .map(path => readSource(path, readFileSync(join(root, path), 'utf8')))
}

export function readSource(path: string, text: string): SourceFile {
  return { path, text, ...split(text), imports: importsOf(path, text) }
}

/** All files below a folder, those that belong to no one but the project: no dependencies, no build, no data. */
export function filesBelow(folder: string): string[] {
  const ignored = new Set(['node_modules', 'dist', 'data', '.git', '.wrangler', '.setup.lock'])
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter(entry => !ignored.has(entry.name))
    .flatMap(entry => {
      const path = relative(root, join(root, folder, entry.name))
        .split(sep)
        .join('/')
      if (entry.isDirectory()) return filesBelow(path)
      return entry.isFile() ? [path] : []
    })
    .sort()
}

function importsOf(path: string, text: string): Import[] {
  const statements = text.matchAll(
    /^\s*(import|export)\s+(type\s+)?([\w$*\s{},]*?)\s*\bfrom\s*['"]([^'"\n]+)['"]|^\s*import\s*['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]/gm,
  )
  return [...statements].map(([, verb, type, names = '', from, bare, lazy]) => {
    const specifier = from ?? bare ?? lazy ?? ''
    const isRelative = specifier.startsWith('.')
    return {
      to: isRelative ? posix.normalize(posix.join(posix.dirname(path), specifier)) : specifier,
      isRelative,
      isType: type !== undefined || isAllTypes(names),
      isReexport: verb === 'export',
    }
  })
}

function isAllTypes(names: string): boolean {
  const list = names
    .replace(/[{}]/g, '')
    .split(',')
    .map(name => name.trim())
    .filter(Boolean)
  return list.length > 0 && list.every(name => name.startsWith('type '))
}

/** What follows one of these begins a regular expression; elsewhere a slash divides. */
const beforeRegex = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|throw|await))\s*$/

function split(text: string): { code: string; strings: string[] } {
  let code = ''
  const strings: string[] = []
  const templates: number[] = []
  let depth = 0
  let at = 0
  while (at < text.length) {
    const rest = text.slice(at, at + 2)
    const char = text.charAt(at)
    if (rest === '//') at = endOf(text, at, '\n')
    else if (rest === '/*') at = endOf(text, at, '*/') + 2
    else if (char === "'" || char === '"') {
      const end = closing(text, at + 1, char)
      strings.push(text.slice(at + 1, end))
      code += char + char
      at = end + 1
    } else if (char === '`' || (char === '}' && templates.at(-1) === depth)) {
      if (char === '}') templates.pop()
      const end = closing(text, at + 1, '`', '${')
      strings.push(text.slice(at + 1, end))
      code += '``'
      if (text.startsWith('${', end)) {
        templates.push(depth)
        at = end + 2
      } else at = end + 1
    } else if (char === '/' && beforeRegex.test(code.slice(-20))) {
      at = regexEnd(text, at + 1)
      code += '/./'
    } else {
      if (char === '{') depth += 1
      if (char === '}') depth -= 1
      code += char
      at += 1
    }
  }
  return { code, strings }
}

function endOf(text: string, from: number, mark: string): number {
  const end = text.indexOf(mark, from)
  return end < 0 ? text.length : end
}

function closing(text: string, from: number, ...marks: string[]): number {
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1
    else if (marks.some(mark => text.startsWith(mark, at))) return at
  }
  return text.length
}

function regexEnd(text: string, from: number): number {
  let isInClass = false
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1
    else if (text[at] === '[') isInClass = true
    else if (text[at] === ']') isInClass = false
    else if (text[at] === '\n' || (text[at] === '/' && !isInClass)) return at + 1
  }
  return text.length
}
