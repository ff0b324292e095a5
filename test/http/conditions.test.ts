import { describe, expect, it } from 'vitest'
import { isNotModified, isRangeCurrent } from '../../src/http/conditions.ts'

const DATE = 'Thu, 01 Jan 2026 00:00:00 GMT'
const LATER = 'Thu, 01 Jan 2026 00:00:01 GMT'
const EARLIER = 'Wed, 31 Dec 2025 23:59:59 GMT'
const ours = { etag: '"ours"', alias: 'W/"origin"', lastModified: DATE }
const nothing = { etag: null, alias: null, lastModified: null }

describe('a client has it already', () => {
  it.each([
    [{ 'if-none-match': '"ours"' }, true],
    [{ 'if-none-match': 'W/"ours"' }, true],
    [{ 'if-none-match': '"origin"' }, true],
    [{ 'if-none-match': 'W/"origin"' }, true],
    [{ 'if-none-match': '"a", W/"b" , "ours"' }, true],
    [{ 'if-none-match': '*' }, true],
    [{ 'if-none-match': ' * ' }, true],
    [{ 'if-none-match': '"other"' }, false],
    [{ 'if-none-match': 'ours' }, false],
    [{ 'if-none-match': '' }, false],
    [{ 'if-modified-since': DATE }, true],
    [{ 'if-modified-since': LATER }, true],
    [{ 'if-modified-since': EARLIER }, false],
    [{ 'if-modified-since': 'yesterday' }, false],
    [{ 'if-none-match': '"other"', 'if-modified-since': DATE }, false],
    [{}, false],
  ])('with %o: %s', (headers, expected) => {
    expect(isNotModified(new Headers({ ...headers }), ours)).toBe(expected)
  })

  it('never by a tag or a date we do not know', () => {
    expect(isNotModified(new Headers({ 'if-none-match': 'null, ""' }), nothing)).toBe(false)
    expect(isNotModified(new Headers({ 'if-modified-since': LATER }), nothing)).toBe(false)
    const undated = { ...ours, lastModified: 'not a date' }
    expect(isNotModified(new Headers({ 'if-modified-since': LATER }), undated)).toBe(false)
  })
})

describe('a range is of the same bytes', () => {
  const strong = { etag: '"ours"', alias: '"origin"', lastModified: DATE }

  it.each([
    [{}, true],
    [{ 'if-range': '"ours"' }, true],
    [{ 'if-range': '"origin"' }, true],
    [{ 'if-range': ' "ours" ' }, true],
    [{ 'if-range': '"other"' }, false],
    [{ 'if-range': 'W/"ours"' }, false],
    [{ 'if-range': DATE }, true],
    [{ 'if-range': LATER }, false],
    [{ 'if-range': EARLIER }, false],
    [{ 'if-range': 'whenever' }, false],
  ])('with %o: %s', (headers, expected) => {
    expect(isRangeCurrent(new Headers({ ...headers }), strong)).toBe(expected)
  })

  it('never by a weak tag of the origin', () => {
    expect(isRangeCurrent(new Headers({ 'if-range': 'W/"origin"' }), ours)).toBe(false)
    expect(isRangeCurrent(new Headers({ 'if-range': '"origin"' }), ours)).toBe(false)
  })

  it('never where nothing is known', () => {
    expect(isRangeCurrent(new Headers({ 'if-range': DATE }), nothing)).toBe(false)
    expect(isRangeCurrent(new Headers({ 'if-range': '"x"' }), nothing)).toBe(false)
  })
})
