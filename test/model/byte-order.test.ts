import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { compareBytes } from '../../src/model/byte-order.ts'

describe('the order of bytes', () => {
  it('is that of UTF-8', () => {
    const texts = [
      '',
      'a',
      'a/b',
      'ab',
      'A',
      'é',
      '\ud7ff',
      '\ue000',
      'ﬀ',
      '\uffff',
      '😀',
      '😀a',
      '😁',
      '\u{10ffff}',
      'a😀',
      'aﬀ',
    ]
    const byBytes = [...texts].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect([...texts].sort(compareBytes)).toEqual(byBytes)
    // As they come out of the box, they are in another order.
    expect([...texts].sort()).not.toEqual(byBytes)
  })

  it('tells what is equal', () => {
    expect(compareBytes('a😀', 'a😀')).toBe(0)
  })
})
