// How a store is named on the command line, and which variables that means.

import { describe, expect, it } from 'vitest'
import {
  environmentOf,
  parseStoreName,
  printStoreName,
  type StoreName,
} from '../../runtimes/shared/store-name.ts'

const own = { DATA_DIR: '/own', DBHOST: 'own.example' }

function open(text: string, files: Readonly<Record<string, string>> = {}) {
  return environmentOf(parseStoreName(text) as StoreName, own, path => {
    const found = files[path]
    if (found === undefined) throw new Error(`ENOENT: no such file, open '${path}'`)
    return found
  })
}

describe('the name of a store', () => {
  it.each(['env', 'env:other.env', 'embedded:./data', 'embedded:/a b:c'])('%s is read and printed', text => {
    expect(printStoreName(parseStoreName(text) as StoreName)).toBe(text)
  })

  it.each(['', 'env:', 'embedded:', 'embedded', 's3://bucket', './data'])('%j is none', text => {
    expect(parseStoreName(text)).toBeNull()
  })

  it('embedded is the directory, whatever this process has', () => {
    const { dataDir, backends } = open('embedded:./other')
    expect([dataDir, backends.postgres, backends.s3]).toEqual(['./other', null, null])
  })

  it('env is what this process has', () => {
    expect(open('env').backends.postgres?.host).toBe('own.example')
  })

  it('env:FILE is what the file says, and nothing else', () => {
    const text = [
      '# the cluster',
      '',
      'export MINIO_ENDPOINT=s3.example:9000',
      'MINIO_ACCESS_KEY="a key"',
      "MINIO_SECRET_KEY='it=s'",
      '  DATA_DIR = no',
    ]
    const { backends, dataDir } = open('env:x', { x: text.slice(0, 5).join('\r\n') })
    expect([backends.postgres, dataDir]).toEqual([null, './data'])
    expect(backends.s3).toMatchObject({
      endpoint: 'http://s3.example:9000',
      accessKey: 'a key',
      secretKey: 'it=s',
    })
    expect(() => open('env:x', { x: text.join('\n') })).toThrow('Cannot use x: line 6 is not NAME=VALUE')
  })

  it('of a file that is not there, or has faults, is refused', () => {
    expect(() => open('env:none')).toThrow("Cannot read none: ENOENT: no such file, open 'none'")
    expect(() => open('env:x', { x: 'DBPORT=many' })).toThrow('DBPORT: expected a port')
  })
})
