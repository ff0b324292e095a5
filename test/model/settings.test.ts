// The configuration: what keys mean, which of them are faults, and that every example users know still loads.

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { parseSettings, type YamlOptions } from '../../src/drivers/yaml-settings.ts'
import { Problem } from '../../src/model/problem.ts'
import type { RepositorySettings, Settings } from '../../src/model/repository.ts'
import { toRepository } from '../../src/model/settings.ts'
import { redactRepository, redactSettings } from '../../src/model/settings-print.ts'

const FIXTURES = new URL('../fixtures/seeds/', import.meta.url)

describe('the examples of earlier READMEs', () => {
  const names = readdirSync(FIXTURES)

  it('all load', () => {
    expect(names.length).toBe(25)
    for (const name of names) expect([name, loadFixture(name).repositories.size > 0]).toEqual([name, true])
  })

  it('warn of the escape that YAML does not know, with its line, and of nothing else', () => {
    for (const name of names) {
      const expected = name.endsWith('npm.yaml')
        ? [/npm\.yaml:8:\d+: "\\\.tgz\$" has an escape/, /npm\.yaml:10:\d+: /]
        : []
      const { warnings } = loadFixture(name)
      expect([name, warnings.length]).toEqual([name, expected.length])
      expected.forEach((words, index) => {
        expect(warnings[index]).toMatch(words)
      })
    }
  })

  const examples: [
    fixture: string,
    repository: string,
    allowed: string[],
    denied: string[],
    mutable: string[],
  ][] = [
    [
      'python-generic.yaml',
      'github',
      [
        'gruntwork-io/terragrunt/releases/download/v0.96.1/terragrunt_linux_amd64.tar.gz',
        'lxc/incus/a/b.tar.gz',
      ],
      [
        'gruntwork-io/terragrunt/releases/download/v0.96.1/terragrunt_darwin_arm64',
        'lxc/incus/a/b.tar.gz.asc',
      ],
      [],
    ],
    [
      'python-generic.yaml',
      'github-archive',
      ['o/r/archive/refs/tags/v1.tar.gz'],
      ['o/r/archive/refs/heads/dev.tar.gz', 'archive/refs/tags/v1.tar.gz'],
      ['o/r/archive/refs/heads/main.tar.gz'],
    ],
    [
      'python-linux-packages.yaml',
      'alpine',
      ['v3.20/main/x86_64/a-1.apk'],
      ['v3.20/main/aarch64/a-1.apk'],
      [],
    ],
    ['python-linux-packages.yaml', 'almalinux', ['9/os/noarch/Packages/a.rpm'], ['9/os/aarch64/a.rpm'], []],
    ['python-mutable.yaml', 'helm-charts', ['vault-1.0.tgz'], ['vault-1.0.tgz.prov'], ['index.yaml']],
    [
      'python-mutable.yaml',
      'apt-mirror',
      ['pool/a.deb'],
      ['pool/a.dsc'],
      ['dists/x/InRelease', 'dists/x/Packages.xz'],
    ],
    [
      'python-configmap.yaml',
      'hashicorp-releases',
      ['terraform/1.6.0/terraform_1.6.0_linux_amd64.zip', 'consul/1.17.0/consul_1.17.0_linux_amd64.zip'],
      ['terraform/1.6.0/terraform_1.6.0_darwin_amd64.zip', 'packer/1/packer_1_linux_amd64.zip'],
      [],
    ],
    [
      'python-docker-restricted.yaml',
      'dockerhub',
      ['library/nginx/manifests/latest', 'rancher/rke2-runtime/tags/list'],
      ['library/postgres/manifests/16', 'evil/library/nginx/manifests/latest'],
      [],
    ],
    ['python-pypi.yaml', 'pypi-gitea', ['files/a/1/a-1.whl.metadata'], ['packages/a-1.whl'], []],
    ['python-later-pypi.yaml', 'pypi', ['packages/aa/bb/a-1.tar.gz'], ['packages/aa/bb/a-1.egg'], []],
    ['python-npm.yaml', 'npm', ['express/-/express-4.18.2.tgz'], [], ['express', '@babel/core', '-/all']],
    ['python-later-npm.yaml', 'npm', ['@babel/core/-/core-7.21.0.tgz'], [], ['@babel%2Fcore', 'express']],
    ['python-helm.yaml', 'hashicorp-helm', ['vault-0.29.1.tgz'], ['vault-0.29.1.zip'], []],
    [
      'python-patterns-fragment.yaml',
      'fragment',
      ['gruntwork-io/terragrunt/releases/download/v1/terragrunt_linux_amd64', 'a/repodata/repomd.xml'],
      ['README.md'],
      [],
    ],
  ]
  it.each(examples)(
    '%s: %s allows and denies what its README says',
    (fixture, name, allowed, denied, mutable) => {
      const { access } = repositoryOf(loadFixture(fixture), name)
      const allows = (path: string) => access.allow?.some(pattern => pattern.test(path)) ?? true
      const isForced = (path: string) => access.mutable.some(pattern => pattern.test(path))
      expect(allowed.filter(path => !allows(path))).toEqual([])
      expect(denied.filter(path => allows(path) || isForced(path))).toEqual([])
      expect(mutable.filter(path => !isForced(path))).toEqual([])
      expect(allowed.filter(isForced)).toEqual([])
    },
  )

  it('keep their ttls, credentials and kinds', () => {
    const archive = repositoryOf(loadFixture('python-revalidation.yaml'), 'github-archive')
    expect(archive.caching).toMatchObject({
      immutableTtlSeconds: 0,
      mutableTtlSeconds: 86_400,
      checkMutableUpdates: true,
    })
    expect(repositoryOf(loadFixture('python-ghcr.yaml'), 'ghcr').origin).toMatchObject({
      baseUrl: 'https://ghcr.io',
      username: 'your-github-username',
      password: 'ghp_your_github_pat',
    })
    expect(repositoryOf(loadFixture('python-later-local.yaml'), 'local-generic')).toMatchObject({
      kind: 'local',
      origin: null,
    })
    expect(repositoryOf(loadFixture('python-later-quarantine.yaml'), 'pypi').quarantine).toEqual({
      days: 3,
      status: null,
    })
  })
})

describe('the two meanings of immutable_patterns', () => {
  const entry = {
    base_url: 'https://example.com',
    immutable_patterns: ['\\.zip$'],
    mutable_patterns: ['^latest/'],
  }

  it('older: it is the allow-list, what is mutable is allowed beside it, and no class is forced', () => {
    const { access } = load({ remotes: { a: entry } }, 'a')
    expect(access).toMatchObject({ blocklist: [], allowsMutable: true, immutable: [] })
    expect(access.allow?.map(pattern => pattern.source)).toEqual(['\\.zip$'])
  })

  it('older: a docker allow-list covers what is mutable too', () => {
    expect(load({ remotes: { a: { ...entry, package: 'docker' } } }, 'a').access.allowsMutable).toBe(false)
  })

  it('older: present but empty, it allows nothing; absent, everything', () => {
    expect(load({ remotes: { a: { ...entry, immutable_patterns: [] } } }, 'a').access.allow).toEqual([])
    expect(load({ remotes: { a: { base_url: 'https://example.com' } } }, 'a').access.allow).toBeNull()
  })

  it.each([{ patterns: ['^a'] }, { patterns: [] }, { blocklist: ['x'] }])(
    'newer with %o: it forces a class only',
    more => {
      const { access } = load({ remotes: { a: { ...entry, ...more } } }, 'a')
      expect(access.immutable.map(pattern => pattern.source)).toEqual(['\\.zip$'])
      expect(access.allowsMutable).toBe(false)
      expect(access.allow?.map(pattern => pattern.source) ?? null).toEqual(
        more.patterns?.length === 1 ? ['^a'] : null,
      )
    },
  )

  it('newer for everything made through the API', () => {
    const github = toRepository('github', {
      name: 'github',
      package_type: 'generic',
      base_url: 'https://github.com',
      username: '',
      description: null,
      immutable_ttl: 0,
      mutable_ttl: 7200,
      patterns: ['ducaale/xh/.*/xh-.*-x86_64-unknown-linux-musl.tar.gz$', 'mikefarah/yq/.*/yq_linux_amd64$'],
      mutable_patterns: ['.*/archive/refs/heads/.*\\.tar\\.gz$'],
    })
    expect(github).toMatchObject({ source: 'api', kind: 'remote', caching: { mutableTtlSeconds: 7200 } })
    expect(github.access.allow?.[0]?.test('ducaale/xh/releases/xh-1-x86_64-unknown-linux-musl.tar.gz')).toBe(
      true,
    )
    expect(github.origin?.username).toBeUndefined()
    const forced = toRepository('x', { base_url: 'https://x.org', immutable_patterns: ['a'] })
    expect([forced.access.allow, forced.access.immutable.length]).toEqual([null, 1])
  })
})

describe('what keys mean', () => {
  it('reads every key', () => {
    const repository = load(
      {
        remotes: {
          all: {
            base_url: 'https://user:p%40ss@Example.com/repo/',
            headers: { 'X-Token': 'abc' },
            ca_file: 'ca.pem',
            proxy: 'http://proxy:3128',
            allowed_hosts: ['cdn.Example.com', 'other:8443'],
            stale_on: [429, '5xx', '500-504'],
            negative_ttl: 5,
            max_size: '10GB',
            quarantine_new: true,
            quarantine_days: 2,
            quarantine_status: 403,
            ban_tags_enabled: 'yes',
            ban_tags: ['latest'],
            check_mutable_updates: 'on',
            immutable_ttl: 60,
            mutable_ttl: 0,
          },
        },
      },
      'all',
    )
    expect(repository.origin).toEqual({
      repository: 'all',
      baseUrl: 'https://example.com/repo',
      username: 'user',
      password: 'p@ss',
      headers: { 'X-Token': 'abc' },
      allowedHosts: ['cdn.example.com', 'other:8443'],
      ca: '-----BEGIN CERTIFICATE-----',
      proxy: 'http://proxy:3128',
    })
    expect(repository.caching).toEqual({
      immutableTtlSeconds: 60,
      mutableTtlSeconds: 0,
      negativeTtlSeconds: 5,
      checkMutableUpdates: true,
      staleOn: [
        { from: 429, to: 429 },
        { from: 500, to: 599 },
        { from: 500, to: 504 },
      ],
      maxBytes: 10_000_000_000,
    })
    expect(repository.quarantine).toEqual({ days: 2, status: 403 })
    expect(repository.banTags).toEqual(['latest'])
  })

  it('fills in the defaults', () => {
    const repository = load({ remotes: { a: { base_url: 'https://example.com' } } }, 'a')
    expect(repository).toMatchObject({
      kind: 'remote',
      format: 'generic',
      description: '',
      source: 'file',
      banTags: [],
    })
    expect(repository.caching).toMatchObject({
      mutableTtlSeconds: 3600,
      immutableTtlSeconds: 0,
      negativeTtlSeconds: null,
    })
    expect(repository.origin).toMatchObject({ allowedHosts: 'any', headers: {} })
  })

  it('reads sizes of local repositories, and passwords from files', () => {
    const local = load({ remotes: { a: { type: 'local', max_upload: '1.5GiB', allow_redeploy: true } } }, 'a')
    expect(local.upload).toEqual({ maxBytes: 1_610_612_736, allowRedeploy: true })
    const remote = load(
      { remotes: { a: { base_url: 'https://e.com', username: 'u', password_file: 'password' } } },
      'a',
    )
    expect(remote.origin?.password).toBe('from file')
  })

  it('reads whether stored objects are redirected to, and prints it', () => {
    const entries = { a: { type: 'local' }, b: { type: 'local', redirect: true } }
    expect(load({ remotes: entries }, 'a').redirects).toBe(false)
    const redirecting = load({ remotes: entries }, 'b')
    expect(redirecting.redirects).toBe(true)
    expect(redactRepository(redirecting)).toMatchObject({ redirect: true })
  })

  it('reads virtual repositories in either section', () => {
    const remotes = {
      a: { base_url: 'https://a.org' },
      b: { type: 'local' },
      v: { type: 'virtual', members: ['b', 'a'] },
    }
    expect(load({ remotes }, 'v')).toMatchObject({ kind: 'virtual', members: ['b', 'a'], origin: null })
    const both = { remotes, virtuals: { w: { package: 'generic', members: ['a'], description: 'all' } } }
    expect(load(both, 'w')).toMatchObject({ kind: 'virtual', members: ['a'], description: 'all' })
  })

  it('loads a known package type that this build does not serve, with a warning', () => {
    const settings = parseSettings(
      'remotes:\n  n: { base_url: "https://n.org", package: npm }',
      options(['generic']),
    )
    expect(repositoryOf(settings, 'n').format).toBe('npm')
    expect(settings.warnings).toEqual([
      'remotes.yaml:2:44: remotes.n.package: npm is not in this build: "n" is listed, and its requests are refused',
    ])
  })

  it('warns of keys that do nothing', () => {
    const text =
      'remotes:\n  a: { type: local, stale_on: [429] }\n  b: { base_url: "https://b.org", ban_tags: [x], patterns: ["^/x"] }'
    expect(parseSettings(text, options()).warnings.map(warning => warning.replace(/^\S+ /, ''))).toEqual([
      'remotes.a.stale_on: it has no effect on a local repository',
      "remotes.b.patterns.0: '^/x' matches nothing: paths have no leading slash",
      'remotes.b.ban_tags: it has no effect without ban_tags_enabled: true',
    ])
  })

  it('shows the settings in effect without secrets', () => {
    const text = `remotes:
  a: { base_url: "https://usr:s3cret@a.org", headers: { X-Key: s3cret }, proxy: "http://usr:s3cret@p:1", stale_on: [429, 5xx], immutable_patterns: [x] }
virtuals:
  v: { members: [a] }`
    const printed = redactSettings(parseSettings(text, options()))
    expect(printed.remotes.a).toMatchObject({
      base_url: 'https://a.org',
      has_credentials: true,
      headers: ['X-Key'],
      proxy: 'p:1',
      stale_on: ['429', '5xx'],
      immutable_patterns: ['x'],
    })
    expect(printed.virtuals.v).toMatchObject({ type: 'virtual', members: ['a'] })
    expect(JSON.stringify(printed)).not.toMatch(/s3cret|usr/)
  })
})

describe('what is a fault', () => {
  const faults: [text: string, message: string | RegExp][] = [
    ['- a', 'remotes.yaml:1:1: expected a map with the key "remotes", got a list'],
    ['remote: {}', 'remotes.yaml:1:1: remote: unknown key; the nearest known one is "remotes"'],
    ['remotes: 3', 'remotes.yaml:1:10: remotes: expected a map of repositories, got 3'],
    ['remotes:\n\ta: 1', 'remotes.yaml:2:1: lines are indented with spaces, not with tabs'],
    ['remotes:\n  a: {}\n  a: {}', 'remotes.yaml:3:3: the key is there twice; leave one of them out'],
    [
      'remotes: {}\n---\nx: 1',
      'remotes.yaml:2:1: the file holds several documents; leave out what follows "---"',
    ],
    ['remotes:\n  a: { base_url: "https://a.org"', /remotes\.yaml:2:\d+: Flow map/],
    [
      'remotes:\n  npm:\n    base_url: https://n.org\n    cache:\n      mutable_ttl: "soon"',
      'remotes.yaml:5:20: remotes.npm.cache.mutable_ttl: expected a number of seconds ≥ 0, got "soon"',
    ],
    [
      'remotes:\n  npm:\n    base_url: https://n.org\n    cache:\n      mutabel_ttl: 3',
      'remotes.yaml:5:7: remotes.npm.cache.mutabel_ttl: unknown key; the nearest known one is "mutable_ttl"',
    ],
    [
      'remotes: { a: { typ: local } }',
      'remotes.yaml:1:17: remotes.a.typ: unknown key; the nearest known one is "type"',
    ],
    ['remotes: { a: { pakage: npm } }', /the nearest known one is "package"/],
    [
      'remotes: { v2: { type: local } }',
      'remotes.yaml:1:12: remotes.v2: the name is reserved, as are v1, v2, token, artifacts, remote, virtual',
    ],
    ['remotes: { a/b: { type: local } }', /remotes\.a\/b: a name has 1 to 63 letters/],
    ['remotes: { __proto__: { type: local } }', /remotes\.__proto__: a name has/],
    ['remotes: { a: { package: generic } }', /remotes\.a: a remote repository needs base_url/],
    [
      'remotes: { a: { base_url: ftp://a } }',
      /expected a URL that starts with https:\/\/ or http:\/\/, got "ftp:\/\/a"/,
    ],
    ['remotes: { a: { base_url: "https://a.org/?x" } }', /neither "\?" nor "#"/],
    ['remotes: { a: { type: local, base_url: "https://a.org" } }', /a local repository has no origin/],
    ['remotes: { a: { type: local, package: nmp } }', /expected one of generic, docker, helm, .*, got "nmp"/],
    ['remotes: { a: { type: local, package: npm, package_type: rpm } }', /package says "npm"; leave one/],
    [
      'remotes: { a: { type: local, mutable_ttl: 1, cache: { mutable_ttl: 2 } } }',
      /cache\.mutable_ttl says 2/,
    ],
    [
      'remotes: { a: { base_url: "https://a.org", immutable_patterns: } }',
      /expected a list of patterns, got nothing/,
    ],
    [
      'remotes: { a: { base_url: "https://a.org", patterns: ["(a+)+"] } }',
      /remotes\.a\.patterns\.0: Cannot use pattern '\(a\+\)\+': it repeats a repeat/,
    ],
    [
      'remotes: { a: { base_url: "https://a.org", patterns: ["\\bx"] } }',
      /remotes\.a\.patterns\.0: .* use single quotes/,
    ],
    [
      'remotes: { a: { base_url: "https://a.org", description: "\\.x" } }',
      /Invalid escape sequence \\\.; in double quotes write/,
    ],
    [
      'remotes: { a: { base_url: "https://a.org", stale_on: [7xx] } }',
      /remotes\.a\.stale_on\.0: expected a status such as 429/,
    ],
    [
      'remotes: { a: { base_url: "https://a.org", max_size: 10XB } }',
      /expected a number of bytes, or a size such as "500MB"/,
    ],
    ['remotes: { a: { base_url: "https://a.org", headers: { Host: x } } }', /set by each request itself/],
    [
      'remotes: { a: { base_url: "https://a.org", headers: { "a b": x } } }',
      /remotes\.a\.headers\.a b: this is not a header name/,
    ],
    [
      'remotes: { a: { base_url: "https://a.org", ca_file: nowhere.pem } }',
      /cannot read nowhere\.pem: not there/,
    ],
    ['remotes: { a: { base_url: "https://a.org", ca_file: password } }', /password holds no PEM certificate/],
    [
      'remotes: { a: { base_url: "https://a.org", proxy: "socks5://x" } }',
      /a proxy that starts with http:\/\//,
    ],
    ['remotes: { a: { base_url: "https://a.org", allowed_hosts: [a/b] } }', /remotes\.a\.allowed_hosts/],
    ['remotes: { a: { base_url: "https://a.org", quarantine_new: true } }', /it needs quarantine_days/],
    ['remotes: { a: { type: local, members: [a] } }', /a local repository has no members/],
    ['virtuals: { v: {} }', /a virtual repository needs members/],
    [
      'virtuals: { v: { members: [x] } }',
      'remotes.yaml:1:28: virtuals.v.members.0: there is no repository "x"',
    ],
    [
      'remotes: { a: { type: local } }\nvirtuals: { v: { members: [a, a] } }',
      /virtuals\.v\.members\.1: "a" is listed twice/,
    ],
    [
      'remotes: { a: { type: local, package: npm } }\nvirtuals: { v: { members: [a] } }',
      /"a" holds npm packages, this repository generic ones/,
    ],
    ['remotes: { a: { type: local } }\nvirtuals: { a: { members: [a] } }', /virtuals\.a: the name is taken/],
    [
      'remotes: { a: { type: local } }\nvirtuals: { v: { members: [a] }, w: { members: [v] } }',
      /"v" is virtual itself/,
    ],
  ]
  it.each(faults)('%j', (text, message) => {
    const lines = faultsIn(text)
    if (typeof message === 'string') expect(lines).toEqual([message])
    else expect(lines).toEqual([expect.stringMatching(message)])
  })

  it('is reported with all the others', () => {
    const text = 'remotes:\n  a: { base_url: 3, mutable_ttl: -1 }\n  token: { type: locl }\nvirtual: {}'
    expect(faultsIn(text)).toEqual([
      'remotes.yaml:2:18: remotes.a.base_url: expected text; put it in quotes, got a number',
      'remotes.yaml:2:34: remotes.a.mutable_ttl: expected a number of seconds ≥ 0, got -1',
      'remotes.yaml:3:3: remotes.token: the name is reserved, as are v1, v2, token, artifacts, remote, virtual',
      'remotes.yaml:3:18: remotes.token.type: expected "remote", "local" or "virtual", got "locl"',
      'remotes.yaml:4:1: virtual: unknown key; the nearest known one is "virtuals"',
    ])
  })

  it('never shows a secret', () => {
    const text =
      'remotes: { a: { base_url: "htps://u:s3cret@a", password: [s3cret], proxy: "s3cret", username: 7331 } }'
    expect(faultsIn(text).join('\n')).not.toMatch(/s3cret|7331/)
  })

  it('is an alias bomb', () => {
    const row = (name: string, of: string) => `${name}: &${name} [${Array(9).fill(`*${of}`).join(', ')}]`
    const text = ['z: &z [x]', row('a', 'z'), row('b', 'a'), row('c', 'b'), row('d', 'c')].join('\n')
    expect(faultsIn(text).join()).toMatch(/aliases would grow it beyond measure/)
  })

  it('is a certificate or a proxy where connections cannot be shaped', () => {
    const text = 'remotes: { a: { base_url: "https://a.org", ca_file: ca.pem, proxy: "http://p:1" } }'
    expect(faultsIn(text, { ownsConnections: false })).toEqual([
      expect.stringMatching(/ca_file: this runtime cannot/),
      expect.stringMatching(/proxy: this runtime cannot/),
    ])
  })

  it('is told of an entry of the API by its key', () => {
    expect(() => toRepository('x', { base_url: 'https://x.org', mutable_ttl: 'soon' })).toThrow(
      'Cannot use repository "x": x.mutable_ttl: expected a number of seconds ≥ 0, got "soon"',
    )
    expect(() => toRepository('x', 'text')).toThrow(/expected a map of keys/)
    expect(() => toRepository('v', { type: 'virtual', members: ['a'] }, { existing: new Map() })).toThrow(
      /no repository "a"/,
    )
  })
})

describe('an empty configuration', () => {
  it.each(['', '# nothing\n', 'remotes:\n', 'remotes: {}\nvirtuals:\n'])('is %j', text => {
    expect(parseSettings(text, options()).repositories.size).toBe(0)
  })
})

function options(formats?: string[], more: Partial<YamlOptions> = {}): YamlOptions {
  return {
    fileName: 'remotes.yaml',
    source: 'file',
    formats,
    readFile(path) {
      if (path === 'ca.pem') return '-----BEGIN CERTIFICATE-----'
      if (path === 'password') return 'from file\n'
      throw new Error('not there')
    },
    ...more,
  }
}

function load(value: unknown, name: string): RepositorySettings {
  return repositoryOf(parseSettings(JSON.stringify(value), options()), name)
}

function repositoryOf(settings: Settings, name: string): RepositorySettings {
  const found = settings.repositories.get(name)
  if (found === undefined) throw new Error(`no repository ${name}`)
  return found
}

/** The lines of the message below its first. */
function faultsIn(text: string, more: Partial<YamlOptions> = {}): string[] {
  try {
    parseSettings(text, options(undefined, more))
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    expect(error.code).toBe('settings-invalid')
    expect(error.message.split('\n')[0]).toBe('Cannot use remotes.yaml:')
    return error.message.split('\n').slice(1)
  }
  return []
}

function loadFixture(name: string): Settings {
  const text = readFileSync(new URL(name, FIXTURES), 'utf8')
  const load = (yaml: string) => parseSettings(yaml, options(undefined, { fileName: name }))
  if (name.includes('configmap')) return load(String(parse(text).data['remotes.yaml']))
  if (!name.includes('fragment')) return load(text)
  const entry = text.replace(/^/gm, '    ')
  return load(`remotes:\n  fragment:\n    base_url: "https://example.com"\n${entry}`)
}
