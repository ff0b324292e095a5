import { describe, expect, it } from 'vitest'
import { parseBackupName, readManifest, readObject, readSecret } from '../../src/model/backup.ts'

const sha256 = 'a'.repeat(64)
const sum = '0123456789abcdef'

describe('the names in a backup', () => {
  it.each([
    [`backup.${sum}.json`, { kind: 'backup', sum }],
    [`repositories.${sum}.jsonl`, { kind: 'repositories', sum }],
    [`secrets.${sum}.jsonl`, { kind: 'secrets', sum }],
    [`end.${sum}.json`, { kind: 'end', sum }],
    [`blobs/sha256/${sha256}`, { kind: 'blob', sha256 }],
    [`objects/${sha256}.${sum}.jsonl`, { kind: 'objects', sha256, sum }],
    [`blobs/sha256/../${sha256}`, null],
    [`objects/${sha256}.jsonl`, null],
    ['backup.json', null],
    [`other.${sum}.json`, null],
  ])('%s', (name, meaning) => {
    expect(parseBackupName(name)).toEqual(meaning)
  })
})

describe('the records of a backup', () => {
  const manifest = {
    format: 'artifactapi-backup',
    version: 1,
    id: '2c1b5a0e-5c8e-4b6a-9d3e-1f2a3b4c5d6e',
    createdAt: 5,
    program: '1.2.3',
    scope: 'all',
    objects: 1,
    blobs: 1,
    bytes: 3,
  }

  it('say what the backup is', () => {
    expect(readManifest(JSON.stringify(manifest))).toEqual(manifest)
  })

  it('of a version to come are refused, with who can read them', () => {
    expect(() => readManifest(JSON.stringify({ ...manifest, version: 2 }))).toThrow(
      'the backup has version 2, this program reads version 1. Use the version of artifactapi that made it (1.2.3)',
    )
  })

  it.each([
    () => readManifest('{}'),
    () => readManifest(JSON.stringify({ ...manifest, format: 'other' })),
    () => readObject(JSON.stringify({ repository: 'r', key: 'k' })),
    () => readObject('no json'),
  ])('that are others are refused', work => {
    expect(work).toThrow(/^Cannot restore: the backup does not say (what it is|an object) as it should$/)
  })

  it('are never shown: they may be secret', () => {
    try {
      readSecret('{"name":"key","value":["s3cret"]}')
      expect.unreachable()
    } catch (error) {
      expect(String(error)).not.toContain('s3cret')
    }
  })
})
