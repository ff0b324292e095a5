// The real thing: files are uploaded, served and deleted. What is published is not overwritten unless the repository
// says so, and an upload is visible only when it is whole and matches what its sender said of it.

import type { Catalog } from '../catalog/catalog.ts'
import type { Format } from '../formats/format.ts'
import { type Digest, digestOf } from '../model/digest.ts'
import { Problem } from '../model/problem.ts'
import type { RepositorySettings } from '../model/repository.ts'
import type { Change, Target } from '../model/target.ts'
import type { Stage } from '../ports/blob-store.ts'
import type { Services } from '../services.ts'
import { judge } from './gate.ts'
import { bodyDigestsOf, originHeadOf } from './origin-head.ts'
import { refusedBy } from './refusals.ts'
import type { Outcome, PutResult, Repository, Upload } from './repository.ts'

const UPLOAD_LEASE_SECONDS = 3600

export interface LocalParts {
  readonly services: Services
  readonly catalog: Catalog
  readonly settings: RepositorySettings
  readonly format: Format
}

export function createLocal(parts: LocalParts): Repository {
  const { services, catalog, settings, format } = parts

  async function read(target: Target): Promise<Outcome> {
    const { refusal } = judge(settings, target)
    if (refusal !== null) return { kind: 'refused', how: 'denied', problem: refusal }
    const row = await catalog.find(settings.name, target.key)
    if (row === null)
      return refusedBy(new Problem('not-found', `Not found: ${settings.name} has no ${target.path}`))
    const blob = await services.blobs.open(row.sha256, row.size)
    if (blob === null) {
      const message = `Cannot serve ${settings.name}/${row.key}: its blob ${row.sha256} is gone or damaged; upload it again or restore it`
      services.log.error(message)
      return refusedBy(new Problem('store-broken', message))
    }
    catalog.touch(row)
    return { kind: 'stored', how: 'hit', row, blob }
  }

  async function put(change: Change, upload: Upload): Promise<PutResult> {
    if (format.admit === undefined)
      throw new Problem(
        'method-not-allowed',
        `Cannot upload to ${settings.name}: ${format.name} takes no uploads`,
      )
    if (change.path === '' || change.path.endsWith('/'))
      throw new Problem('unprocessable', 'Cannot keep an upload without a file name')
    format.admit(change)
    const { refusal } = judge(settings, {
      ...change,
      kind: 'file',
      originPath: change.path,
      defaultClass: 'immutable',
    })
    if (refusal !== null) throw refusal
    const lease = await services.lease.acquire(`put:${settings.name}/${change.key}`, UPLOAD_LEASE_SECONDS)
    if (lease === null)
      throw new Problem('conflict', `Cannot keep ${change.path}: another upload of it is under way`)
    try {
      return await replace(change, upload)
    } finally {
      await lease.release()
    }
  }

  async function replace(change: Change, upload: Upload): Promise<PutResult> {
    const { name, upload: rules } = settings
    const before = await catalog.find(name, change.key)
    if (before !== null && !rules.allowRedeploy) {
      throw new Problem(
        'conflict',
        `Cannot overwrite ${name}/${change.path}: it is published already, and allow_redeploy is off`,
      )
    }
    const head = originHeadOf(upload.headers)
    if (rules.maxBytes !== null && (head.size ?? 0) > rules.maxBytes) throw tooLarge(change, rules.maxBytes)
    const stage = await services.blobs.stage({
      expected: expectedOf(upload.headers),
      size: head.size ?? undefined,
    })
    try {
      await fill(stage, upload.body, change, rules.maxBytes)
      if (head.size !== null && stage.offset !== head.size) {
        throw new Problem(
          'length-mismatch',
          `Cannot keep ${change.path}: ${stage.offset} of ${head.size} bytes came`,
        )
      }
      const committed = await stage.commit(facts => catalog.announce(facts.sha256, facts.size))
      const now = services.clock.now()
      const row = {
        repository: name,
        key: change.key,
        path: change.path,
        fileName: change.fileName,
        pathClass: rules.allowRedeploy ? ('mutable' as const) : ('immutable' as const),
        sha256: committed.sha256,
        size: committed.size,
        contentType: head.contentType,
        contentEncoding: head.contentEncoding,
        etag: null,
        lastModified: null,
        storedAt: now,
        checkedAt: now,
        freshUntil: null,
        publishedAt: now,
        isPinned: true,
      }
      await catalog.keep(row)
      return { row, isNew: before === null }
    } finally {
      await stage.discard()
      await stage.close?.()
    }
  }

  async function remove(change: Change): Promise<boolean> {
    const row = await catalog.find(settings.name, change.key)
    if (row === null) return false
    await catalog.forget(row)
    return true
  }

  return { settings, format, read, put, delete: remove }
}

async function fill(
  stage: Stage,
  body: ReadableStream<Uint8Array> | null,
  change: Change,
  maxBytes: number | null,
): Promise<void> {
  if (body === null) return
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      if (maxBytes !== null && stage.offset + value.byteLength > maxBytes) throw tooLarge(change, maxBytes)
      await stage.write(value)
    }
  } catch (error) {
    await reader.cancel().catch(() => {})
    throw error
  }
}

/** Digests that the sender promised. One that cannot be read is an error, not ignored. */
function expectedOf(headers: Headers): Digest[] {
  const expected = bodyDigestsOf(headers)
  for (const [name, algorithm] of [
    ['x-checksum-sha256', 'sha256'],
    ['x-checksum-sha1', 'sha1'],
    ['x-checksum-md5', 'md5'],
  ] as const) {
    const text = headers.get(name)
    if (text === null) continue
    const digest = digestOf(algorithm, text.trim())
    if (digest === null)
      throw new Problem(
        'bad-request',
        `Cannot read header ${name}: "${text.slice(0, 80)}" is not a ${algorithm} in hexadecimal`,
      )
    expected.push(digest)
  }
  const older = headers.get('digest')
  return older === null ? expected : [...expected, ...bodyDigestsOf(new Headers({ 'repr-digest': older }))]
}

function tooLarge(change: Change, maxBytes: number): Problem {
  return new Problem(
    'too-large',
    `Cannot keep ${change.path}: this repository takes uploads of at most ${maxBytes} bytes`,
  )
}
