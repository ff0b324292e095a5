// The command line: what was asked for, as a value. Nothing is done here.

import { type EnvironmentVariable, environmentVariables } from './environment-table.ts'
import { toHealthUrl } from './health-check.ts'
import { parseStoreName, STORE_WORDS, type StoreName } from './store-name.ts'

export type Command =
  | { readonly command: 'serve' }
  | { readonly command: 'help' }
  | { readonly command: 'version' }
  /** Checks a configuration file; null = the one that would be served. */
  | { readonly command: 'check'; readonly file: string | null }
  /** Reads every blob back and compares digests; checks rows too, and sets right what can be. */
  | { readonly command: 'verify'; readonly isRepair: boolean }
  /** Removes bytes that nothing refers to, or tells how many it would. */
  | { readonly command: 'collect'; readonly isDryRun: boolean }
  | { readonly command: 'migrate-store'; readonly from: StoreName; readonly to: StoreName }
  /** `-`: to standard output. */
  | { readonly command: 'backup'; readonly file: string; readonly isWithoutCache: boolean }
  /** `-`: from standard input. */
  | { readonly command: 'restore'; readonly file: string; readonly isForced: boolean }
  /** Asks a running server whether it is alive; null = the one of LISTEN_ADDR. */
  | { readonly command: 'health'; readonly url: string | null }
  /** Print the message and exit with 2. */
  | { readonly command: 'mistake'; readonly message: string }

const COMMANDS: readonly (readonly [usage: string, meaning: string])[] = [
  ['artifactapi', 'serve'],
  ['artifactapi config check [FILE]', 'say what is wrong with a configuration file (exit 1), or "ok"'],
  [
    'artifactapi verify [--repair]',
    'read every stored blob back; check every row too, and set right what can be',
  ],
  ['artifactapi collect [--dry-run]', 'remove stored bytes that nothing refers to any more'],
  [
    'artifactapi migrate-store --from STORE --to STORE',
    `copy all that is not there yet; STORE: ${STORE_WORDS}`,
  ],
  [
    'artifactapi backup [--without-cache] FILE|-',
    'everything, or all but the cache, as of one moment in one file',
  ],
  ['artifactapi restore [--force] FILE|-', 'read such a file into an empty store, or add to one that is not'],
  ['artifactapi health [URL]', 'ask a running server whether it is alive (exit 1: not within 3 s)'],
  ['artifactapi --help, -h', 'this text'],
  ['artifactapi --version, -v', 'the version'],
]

/** `argv` without the program's own name. */
export function parseCommandLine(argv: readonly string[]): Command {
  if (argv.some(word => word === '--help' || word === '-h') || argv[0] === 'help') return { command: 'help' }
  if (argv.some(word => word === '--version' || word === '-v') || argv[0] === 'version')
    return { command: 'version' }
  const parse = PARSERS[argv[0] ?? '']
  if (parse !== undefined) return parse(argv.slice(1))
  const option = argv.find(word => word.startsWith('-') && word !== '-')
  if (option !== undefined) return mistake(`There is no option "${option}"`)
  const [first, second, ...rest] = argv
  if (first === undefined) return { command: 'serve' }
  if (first === 'serve') {
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

/** Commands with options of their own. */
const PARSERS: Readonly<Record<string, (words: readonly string[]) => Command>> = {
  collect: words =>
    parseSwitch('collect', '--dry-run', words, isDryRun => ({ command: 'collect', isDryRun })),
  verify: words => parseSwitch('verify', '--repair', words, isRepair => ({ command: 'verify', isRepair })),
  backup: words =>
    parseFile('backup', '--without-cache', words, (file, isWithoutCache) => {
      return { command: 'backup', file, isWithoutCache }
    }),
  restore: words =>
    parseFile('restore', '--force', words, (file, isForced) => ({ command: 'restore', file, isForced })),
  'migrate-store': parseMigrate,
}

function parseSwitch(
  command: string,
  option: string,
  words: readonly string[],
  to: (isOn: boolean) => Command,
): Command {
  const [first, second] = words
  if (first === undefined || (first === option && second === undefined)) return to(first !== undefined)
  return mistake(`"${command}" takes ${option} or nothing, got "${words.join(' ')}"`)
}

function parseFile(
  command: string,
  option: string,
  words: readonly string[],
  to: (file: string, isOn: boolean) => Command,
): Command {
  const rest = words.filter(word => word !== option)
  const unknown = rest.find(word => word.startsWith('-') && word !== '-')
  if (unknown !== undefined) return mistake(`"${command}" has no option "${unknown}"`)
  const [file] = rest
  if (file === undefined || rest.length > 1)
    return mistake(`"${command}" takes one file, or "-", got ${rest.length}`)
  return to(file, words.includes(option))
}

function parseMigrate(words: readonly string[]): Command {
  const given: Record<string, StoreName> = {}
  // `--from=STORE` is `--from STORE`.
  const split = words.flatMap(word =>
    /^--(from|to)=/.test(word)
      ? [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]
      : [word],
  )
  for (let at = 0; at < split.length; at += 2) {
    const [option = '', text = ''] = split.slice(at)
    if (option !== '--from' && option !== '--to') return mistake(`"migrate-store" does not know "${option}"`)
    if (option in given) return mistake(`"migrate-store" takes ${option} once`)
    const name = parseStoreName(text)
    if (name === null) return mistake(`"${option}" takes ${STORE_WORDS}, got "${text}"`)
    given[option] = name
  }
  const { '--from': from, '--to': to } = given
  if (from === undefined || to === undefined)
    return mistake('"migrate-store" needs --from STORE and --to STORE')
  return { command: 'migrate-store', from, to }
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
