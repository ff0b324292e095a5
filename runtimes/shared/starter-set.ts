// What is served when there is no configuration file: enough to see a miss, then a hit, and to upload a file.

export const STARTER_SET = `remotes:
  github:
    base_url: https://github.com
    package: generic
    description: Releases and archives of GitHub
    mutable_patterns: ['/archive/refs/heads/', '/releases/latest/']
    check_mutable_updates: true
    stale_on: [429, 5xx]
  hashicorp:
    base_url: https://releases.hashicorp.com
    package: generic
    description: Releases of HashiCorp
    mutable_patterns: ['(^|/)index\\.json$']
    stale_on: [429, 5xx]
  files:
    type: local
    package: generic
    description: Your own files
`
