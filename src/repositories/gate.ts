// Who may pass: decisions by path, made once per configuration and path and remembered.

import type { Pattern } from '../model/patterns.ts'
import { Problem } from '../model/problem.ts'
import type { RepositorySettings } from '../model/repository.ts'
import type { PathClass, Target } from '../model/target.ts'

const REMEMBERED = 10_000

export interface Verdict {
  readonly pathClass: PathClass
  /** A mutable pattern of the user's own made it mutable, not the format. */
  readonly isUserMutable: boolean
  /** Null = may pass. */
  readonly refusal: Problem | null
}

const verdicts = new WeakMap<RepositorySettings, Map<string, Verdict>>()

/** What the repository's patterns say of a path. A changed configuration is a new settings object, and asked anew. */
export function judge(settings: RepositorySettings, target: Target): Verdict {
  let known = verdicts.get(settings)
  if (known === undefined) verdicts.set(settings, (known = new Map()))
  // The origin's path may differ from the canonical one, and either may match.
  const id = `${target.path}\n${target.originPath}\n${target.defaultClass}`
  let verdict = known.get(id)
  if (verdict === undefined) {
    verdict = decide(settings, target)
    if (known.size >= REMEMBERED) known.clear()
    known.set(id, verdict)
  }
  return verdict
}

function decide(settings: RepositorySettings, target: Target): Verdict {
  const { access } = settings
  const paths = [target.path, withoutQuery(target.originPath)]
  const isUserMutable = anyMatches(access.mutable, paths)
  const pathClass = isUserMutable
    ? 'mutable'
    : anyMatches(access.immutable, paths)
      ? 'immutable'
      : target.defaultClass
  return { pathClass, isUserMutable, refusal: refusalOf(settings, target.path, paths, pathClass) }
}

function refusalOf(
  settings: RepositorySettings,
  path: string,
  paths: string[],
  pathClass: PathClass,
): Problem | null {
  const { access, name } = settings
  const blocked = access.blocklist.find(pattern => paths.some(candidate => pattern.test(candidate)))
  if (blocked !== undefined) {
    return new Problem(
      'forbidden',
      `${name}/${path} is on the blocklist of this repository (${blocked.source})`,
      { rule: 'blocklist' },
    )
  }
  if (access.allow === null || anyMatches(access.allow, paths)) return null
  if (access.allowsMutable && pathClass === 'mutable') return null
  return new Problem('forbidden', `${name}/${path} matches none of the patterns this repository allows`, {
    rule: 'patterns',
  })
}

function anyMatches(patterns: readonly Pattern[], paths: readonly string[]): boolean {
  return patterns.some(pattern => paths.some(path => pattern.test(path)))
}

function withoutQuery(path: string): string {
  const mark = path.indexOf('?')
  return mark === -1 ? path : path.slice(0, mark)
}
