// The command line: what is understood, and what a mistake is answered with.

import { describe, expect, it } from 'vitest'
import { type Command, parseCommandLine, printHelp } from '../../runtimes/shared/command-line.ts'
import { environmentVariables } from '../../runtimes/shared/environment-table.ts'

describe('the command line', () => {
  const understood: [string[], Command][] = [
    [[], { command: 'serve' }],
    [['serve'], { command: 'serve' }],
    [['--help'], { command: 'help' }],
    [['config', 'check', '-h'], { command: 'help' }],
    [['--version'], { command: 'version' }],
    [['config', 'check'], { command: 'check', file: null }],
    [['config', 'check', 'a.yaml'], { command: 'check', file: 'a.yaml' }],
    [['verify'], { command: 'verify', isRepair: false }],
    [['verify', '--repair'], { command: 'verify', isRepair: true }],
    [['backup', 'a.tar'], { command: 'backup', file: 'a.tar', isWithoutCache: false }],
    [['backup', '--without-cache', '-'], { command: 'backup', file: '-', isWithoutCache: true }],
    [['restore', '-'], { command: 'restore', file: '-', isForced: false }],
    [['restore', 'a.tar', '--force'], { command: 'restore', file: 'a.tar', isForced: true }],
    [
      ['migrate-store', '--from', 'embedded:./data', '--to', 'env'],
      {
        command: 'migrate-store',
        from: { kind: 'embedded', directory: './data' },
        to: { kind: 'env', file: null },
      },
    ],
    [
      ['migrate-store', '--to=embedded:/a=b', '--from=env:other.env'],
      {
        command: 'migrate-store',
        from: { kind: 'env', file: 'other.env' },
        to: { kind: 'embedded', directory: '/a=b' },
      },
    ],
    [['collect'], { command: 'collect', isDryRun: false }],
    [['collect', '--dry-run'], { command: 'collect', isDryRun: true }],
    [['health'], { command: 'health', url: null }],
    [['health', 'http://127.0.0.1:9000'], { command: 'health', url: 'http://127.0.0.1:9000/health' }],
    [['health', 'https://x.test/ready'], { command: 'health', url: 'https://x.test/ready' }],
  ]
  it.each(understood)('%j is understood', (argv, command) => {
    expect(parseCommandLine(argv)).toEqual(command)
  })

  it.each([
    [['--port=80'], 'There is no option "--port=80"'],
    [['start'], 'There is no command "start"'],
    [['config'], '"config" needs a command: "config check"'],
    [['config', 'show'], 'There is no command "config show"'],
    [['config', 'check', 'a', 'b'], '"config check" takes one file, got 2'],
    [['collect', 'now'], '"collect" takes --dry-run or nothing, got "now"'],
    [['collect', '--dry-run', 'x'], '"collect" takes --dry-run or nothing, got "--dry-run x"'],
    [
      ['health', '127.0.0.1:9000'],
      '"health" takes a URL that starts with http:// or https://, got "127.0.0.1:9000"',
    ],
    [
      ['health', 'ftp://x.test'],
      '"health" takes a URL that starts with http:// or https://, got "ftp://x.test"',
    ],
    [['health', 'http://a', 'http://b'], '"health" takes one URL, got 2'],
    [['verify', 'x'], '"verify" takes --repair or nothing, got "x"'],
    [['serve', 'x'], '"serve" takes no argument, got "x"'],
    [['backup'], '"backup" takes one file, or "-", got 0'],
    [['backup', 'a', 'b'], '"backup" takes one file, or "-", got 2'],
    [['backup', '--force', 'a'], '"backup" has no option "--force"'],
    [['restore', '--without-cache', 'a'], '"restore" has no option "--without-cache"'],
    [['migrate-store'], '"migrate-store" needs --from STORE and --to STORE'],
    [['migrate-store', '--from', 'env'], '"migrate-store" needs --from STORE and --to STORE'],
    [['migrate-store', '--from', 'env', '--from', 'env'], '"migrate-store" takes --from once'],
    [
      ['migrate-store', '--from', '/data', '--to', 'env'],
      '"--from" takes embedded:DIR, env or env:FILE, got "/data"',
    ],
    [['migrate-store', '--from'], '"--from" takes embedded:DIR, env or env:FILE, got ""'],
    [['migrate-store', 'env', 'env'], '"migrate-store" does not know "env"'],
  ])('%j is a mistake', (argv, message) => {
    expect(parseCommandLine(argv)).toEqual({
      command: 'mistake',
      message: `${message}. Try "artifactapi --help".`,
    })
  })

  it('explains every variable that does something', () => {
    const help = printHelp('1.2.3')
    expect(help).toContain('artifactapi 1.2.3')
    const served = environmentVariables.filter(variable => !('selects' in variable))
    expect(served.filter(({ name }) => !help.includes(`\n  ${name} `))).toEqual([])
    expect(help).toMatch(/LISTEN_ADDR .*\(:8000\)/)
    expect(help).not.toContain('DBHOST')
  })
})
