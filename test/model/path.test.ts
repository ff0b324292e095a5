import { describe, expect, it } from 'vitest'
import { fileNameOf, parsePath } from '../../src/model/path.ts'
import { Problem } from '../../src/model/problem.ts'

describe('parsePath', () => {
  it('gives all spellings of a path one canonical form', () => {
    for (const raw of ['a/b c', 'a/b%20c', '%61/b%20%63']) expect(parsePath(raw).canonical).toBe('a/b c')
  })

  it('keeps what would mean something else apart', () => {
    const spellings = ['a/b', 'a%2Fb', 'a%252Fb', 'a?b', 'a%3Fb', 'a%253Fb', 'a//b', 'a/b/']
    const asPaths = spellings.map(raw =>
      raw.includes('?') ? `${parsePath('a').canonical}?b` : parsePath(raw).canonical,
    )
    expect(new Set(asPaths).size).toBe(spellings.length)
  })

  it('keeps the raw spelling for the origin', () => {
    expect(parsePath('a%2fb/c+d').raw).toBe('a%2fb/c+d')
  })

  it.each([
    '..',
    '.',
    'a/../b',
    '%2e%2e/a',
    '.%2E/a',
    'a%2f..%2fb',
    '..%2f',
    'a\\b',
    'a%5cb',
    'a%00b',
    'a%0ab',
    'a%7fb',
    '%zz',
  ])('refuses %s', raw => {
    expect(codeOf(raw)).toBe('bad-request')
  })

  it('refuses more than 1,024 bytes, counted decoded and in UTF-8', () => {
    expect(parsePath('a'.repeat(1024)).canonical.length).toBe(1024)
    expect(parsePath('%61'.repeat(1024)).canonical.length).toBe(1024)
    expect(codeOf('a'.repeat(1025))).toBe('uri-too-long')
    expect(codeOf('%C3%A4'.repeat(513))).toBe('uri-too-long')
    expect(codeOf('a'.repeat(100_000))).toBe('uri-too-long')
  })

  it('names the file by the last segment that is not empty', () => {
    expect(fileNameOf(parsePath('a/b.zip'))).toBe('b.zip')
    expect(fileNameOf(parsePath('a/list/'))).toBe('list')
    expect(fileNameOf(parsePath(''))).toBe('index')
  })
})

function codeOf(raw: string): string {
  try {
    parsePath(raw)
    return 'none'
  } catch (error) {
    return error instanceof Problem ? error.code : String(error)
  }
}
