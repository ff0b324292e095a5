// The command line: what was asked for, as a value. Nothing is done here.

import { type EnvironmentVariable, environmentVariables } from './environment-table.ts'
import { toHealthUrl } from './health-check.ts'

export type Command =
  | { readonly command: 'serve' }
  | { readonly command: 'help' }
  | { readonly command: 'version' }
  /** Checks a configuration file; null = the one that would be served. */
  | { readonly command: 'check'; readonly file: string | null }
  /** Reads every blob back and compares digests. */
  | { readonly command: 'verify' }
  /** Removes bytes that nothing refers to, or tells how many it would. */
  | { readonly command: 'collect'; readonly isDryRun: boolean }
  /** Asks a running server whether it is alive; null = the one of LISTEN_ADDR. */
  | { readonly command: 'health'; readonly url: string | null }
  /** Print the message and exit with 2. */
  | { readonly command: 'mistake'; readonly message: string }

const COMMANDS: readonly (readonly [usage: string, meaning: string])[] = [
  ['artifactapi', 'serve'],
  ['artifactapi config check [FILE]', 'say what is wrong with a configuration file (exit 1), or "ok"'],
  ['artifactapi verify', 'read every stored blob back and compare its digest'],
  ['artifactapi collect [--dry-run]', 'remove stored bytes that nothing refers to any more'],
  ['artifactapi health [URL]', 'ask a running server whether it is alive (exit 1: not within 3 s)'],
  ['artifactapi --help, -h', 'this text'],
  ['artifactapi --version, -v', 'the version'],
]

/** `argv` without the program's own name. */
export function parseCommandLine(argv: readonly string[]): Command {
  if (argv.some(word => word === '--help' || word === '-h') || argv[0] === 'help') return { command: 'help' }
  if (argv.some(word => word === '--version' || word === '-v') || argv[0] === 'version')
    return { command: 'version' }
  if (argv[0] === 'collect') return parseCollect(argv.slice(1))
  const option = argv.find(word => word.startsWith('-') && word !== '-')
  if (option !== undefined) return mistake(`There is no option "${option}"`)
  const [first, second, ...rest] = argv
  if (first === undefined) return { command: 'serve' }
  if (first === 'serve' || first === 'verify') {
    return second === undefined
      ? { command: first }
      : mistake(`"${first}" takes no argument, got "${second}"`)
  }
  if (first === 'health') return parseHealth(argv.slice(1))
  if (first !== 'config') return mistake(`There is no command "${first}"`)
  if (second !== 'check') {
    return mistake(
      second === undefined
        ? '"config" needs a command: "config check"'
        : `There is no command "config ${second}"`,
    )
  }
  if (rest.length > 1) return mistake(`"config check" takes one file, got ${rest.length}`)
  return { command: 'check', file: rest[0] ?? null }
}

function parseCollect(words: readonly string[]): Command {
  const [first, second] = words
  if (first === undefined || (first === '--dry-run' && second === undefined)) {
    return { command: 'collect', isDryRun: first !== undefined }
  }
  return mistake(`"collect" takes --dry-run or nothing, got "${words.join(' ')}"`)
}

function parseHealth(words: readonly string[]): Command {
  const [text] = words
  if (words.length > 1) return mistake(`"health" takes one URL, got ${words.length}`)
  const url = text === undefined ? null : toHealthUrl(text)
  if (text !== undefined && url === null)
    return mistake(`"health" takes a URL that starts with http:// or https://, got "${text}"`)
  return { command: 'health', url }
}

export function printHelp(version: string): string {
  const variables: readonly EnvironmentVariable[] = environmentVariables
  const served = variables.filter(variable => variable.selects === undefined)
  const width =
    Math.max(...served.map(({ name }) => name.length), ...COMMANDS.map(([usage]) => usage.length)) + 2
  const row = (left: string, right: string) => `  ${left.padEnd(width)}${right}`
  return [
    `artifactapi ${version}: one cache and one real registry for every package repository`,
    '',
    'Commands',
    ...COMMANDS.map(([usage, meaning]) => row(usage, meaning)),
    '',
    'Environment',
    ...served.map(variable =>
      row(variable.name, `${variable.meaning}${variable.default === '' ? '' : ` (${variable.default})`}`),
    ),
    '',
    'A secret can also be given as the path of a file: ADMIN_TOKEN_FILE.',
    'The configuration file is read again when it changes, and on SIGHUP.',
    '',
  ].join('\n')
}

function mistake(message: string): Command {
  return { command: 'mistake', message: `${message}. Try "artifactapi --help".` }
}
