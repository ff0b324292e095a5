// Writes the table of environment variables into the README, from the list the program itself reads.
// With `--check` it changes nothing and fails when the README is behind.

import { readFileSync, writeFileSync } from 'node:fs'
import { environmentVariables } from '../runtimes/shared/environment-table.ts'

const path = new URL('../README.md', import.meta.url)
const begin = '<!-- environment: made by `node scripts/readme-table.mjs` -->\n'
const end = '<!-- /environment -->'

function tableOf(variables) {
  const rows = variables.map(({ name, default: fallback, meaning, isSecret }) => {
    const names = isSecret ? `\`${name}\`, \`${name}_FILE\`` : `\`${name}\``
    return `| ${names} | ${fallback === '' ? '' : `\`${fallback}\``} | ${meaning} |`
  })
  return ['| variable | default | meaning |', '|---|---|---|', ...rows, ''].join('\n')
}

const readme = readFileSync(path, 'utf8')
const from = readme.indexOf(begin) + begin.length
const to = readme.indexOf(end)
const wanted = `${readme.slice(0, from)}${tableOf(environmentVariables)}${readme.slice(to)}`
if (process.argv.includes('--check')) {
  if (wanted !== readme) {
    console.error(
      'The table of environment variables in README.md is behind: run node scripts/readme-table.mjs',
    )
    process.exit(1)
  }
} else writeFileSync(path, wanted)
