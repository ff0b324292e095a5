// Programs that some tests want beside the dependencies. On a developer's machine such a test is skipped when
// its program is absent; in CI it is installed by .ci/run, and its absence is a failure.

import { spawnSync } from 'node:child_process'

/** To be used as `describe.skipIf(!hasTool('openssl'))`. */
export function hasTool(name: string): boolean {
  const isPresent = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name], { stdio: 'ignore' }).status === 0
  if (!isPresent && process.env.CI) throw new Error(`Cannot run these tests in CI: ${name} is not installed`)
  return isPresent
}

/** The same for what is no program: a free disk to mount, a privilege. */
export function hasCondition(what: string, isMet: boolean): boolean {
  if (!isMet && process.env.CI) throw new Error(`Cannot run these tests in CI: ${what} is missing`)
  return isMet
}
